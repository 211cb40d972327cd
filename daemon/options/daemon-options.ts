import {
  AUDIT_RATE_DEFAULT,
  AUDIT_RATE_MAX,
  BACKENDS,
  FANOUT_MAX,
  LOG_LEVELS,
  RING_MIB_DEFAULT,
  RING_MIB_MAX,
  RING_TOTAL_MIB_MAX,
  SNAPLEN_DEFAULT,
  SNAPLEN_MIN,
} from '../config.ts';
import { NETNS_SELECTORS, parseInterfaceSelectors, parseNetnsSelectors } from '../netns/selector.ts';
import { METERING_OPTIONS } from './metering-options.ts';
import { RETENTION_SPECS } from './retention-options.ts';
import type { OptionSpec } from './spec.ts';

/** Where packets come from. */
const CAPTURE_OPTIONS: readonly OptionSpec[] = [
  {
    flag: '--netns',
    key: 'capture.netns',
    value: { kind: 'list', word: 'selector', parse: parseNetnsSelectors },
    help: `namespaces to capture in, may be repeated: ${NETNS_SELECTORS}`,
    byDefault: 'any',
    isLive: true,
    inForce: ({ netns }) => netns,
  },
  {
    flag: '--interface',
    key: 'capture.interfaces',
    value: { kind: 'list', word: 'pattern', parse: parseInterfaceSelectors },
    help: 'interfaces by name or pattern, ! before one leaves it out; may be repeated',
    byDefault: 'all',
    isLive: true,
    inForce: ({ interfaces }) => interfaces,
  },
  {
    flag: '--filter',
    key: 'capture.filter',
    value: { kind: 'text', word: 'expr', allowed: 'a tcpdump expression', mayBeEmpty: true },
    help: 'only packets that this tcpdump expression matches',
    byDefault: 'every packet',
    isLive: true,
    inForce: ({ filter }) => filter,
  },
  {
    flag: '--backend',
    key: 'capture.backend',
    value: { kind: 'choice', word: 'name', choices: BACKENDS },
    help: "ring, the kernel's own; or libpcap, slower and with two capabilities kept, for devices without a ring",
    byDefault: 'ring',
    isLive: false,
    inForce: ({ backend }) => backend,
  },
  {
    flag: '--fanout',
    key: 'capture.fanout',
    value: { kind: 'integer', word: 'n', min: 1, max: FANOUT_MAX, unit: 'threads' },
    help: 'capture threads that share each interface out among them by its address pairs (PACKET_FANOUT)',
    byDefault: '1',
    isLive: false,
    inForce: ({ fanout }) => fanout,
  },
  {
    flag: '--ring-mib',
    key: 'capture.ring-mib',
    value: { kind: 'integer', word: 'n', min: 2, max: RING_MIB_MAX, unit: 'MiB' },
    help: 'ring of an interface in MiB; with --fanout its threads divide it',
    byDefault: String(RING_MIB_DEFAULT),
    isLive: false,
    inForce: ({ ringMib }) => ringMib,
  },
  {
    flag: '--ring-total-mib',
    key: 'capture.ring-total-mib',
    value: { kind: 'integer', word: 'n', min: 1, max: RING_TOTAL_MIB_MAX, unit: 'MiB' },
    help: 'bound on all rings together; interfaces beyond it get smaller ones',
    byDefault: 'a quarter of memory',
    isLive: false,
    inForce: ({ ringTotalMib }) => ringTotalMib,
  },
  {
    flag: '--snaplen',
    key: 'capture.snaplen',
    value: { kind: 'integer', word: 'n', min: SNAPLEN_MIN, max: SNAPLEN_DEFAULT, unit: 'octets' },
    help: 'octets captured of a packet; 256 are enough for flows',
    byDefault: String(SNAPLEN_DEFAULT),
    isLive: true,
    inForce: ({ snapLen }) => snapLen,
  },
];

/** What becomes of them, and of the daemon itself. */
const OTHER_OPTIONS: readonly OptionSpec[] = [
  {
    flag: '--audit-rate',
    key: 'routes.audit-rate',
    value: { kind: 'integer', word: 'n', min: 0, max: AUDIT_RATE_MAX, unit: 'decisions' },
    help: 'route decisions a second and namespace that the kernel is asked for as well; 0: none',
    byDefault: String(AUDIT_RATE_DEFAULT),
    isLive: true,
    inForce: ({ auditRate }) => auditRate,
  },
  {
    flag: '--route-history',
    key: 'routes.history',
    value: { kind: 'switch' },
    help: 'keep how the tables were over time, for `nstap routes --at`',
    byDefault: 'yes',
    isLive: false,
    inForce: ({ routeHistory }) => routeHistory,
  },
  {
    flag: '--db',
    key: 'storage.db',
    value: { kind: 'text', word: 'file' },
    help: 'database to write to',
    byDefault: 'see `nstap --help`',
    isLive: false,
    inForce: ({ db }) => db,
  },
  ...RETENTION_SPECS,
  {
    flag: '--user',
    key: 'engine.user',
    value: { kind: 'text', word: 'name' },
    help: 'user that parses packets and writes the database',
    byDefault: 'nstap, else nobody, else the owner of its folder',
    isLive: false,
    inForce: ({ user }) => user,
  },
  {
    flag: '--log-level',
    key: 'log.level',
    value: { kind: 'choice', word: 'level', choices: LOG_LEVELS },
    help: 'least level that is logged',
    byDefault: 'info',
    isLive: true,
    inForce: ({ logLevel }) => logLevel,
  },
  {
    flag: '--metrics',
    key: 'metrics.listen',
    value: { kind: 'text', word: 'addr:port', allowed: '"PORT" of 127.0.0.1, "ADDR:PORT" or "[ADDR6]:PORT"' },
    help: 'serve counters for Prometheus on this address; a port alone is of 127.0.0.1',
    byDefault: 'nowhere',
    isLive: false,
    inForce: ({ metrics }) => metrics,
  },
  {
    flag: '--control',
    key: 'control.socket',
    value: { kind: 'text', word: 'socket' },
    help: 'path of the socket for clients, or "none"',
    byDefault: 'see `nstap --help`',
    isLive: false,
    inForce: ({ control }) => control ?? 'none',
  },
];

/** Every option of `nstap daemon` that the file knows as well, in the order of `--help`. */
export const DAEMON_OPTIONS: readonly OptionSpec[] = [
  ...CAPTURE_OPTIONS,
  ...METERING_OPTIONS,
  ...OTHER_OPTIONS,
];
