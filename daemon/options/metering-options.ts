import { SERIES_SEC } from '../../storage/series.ts';
import {
  CHECKPOINT_DEFAULT,
  MAX_FLOWS_DEFAULT,
  MAX_FLOWS_LIMIT,
  PAYLOAD_MAX,
  TIMEOUT_MAX,
  TIMEOUT_NAMES,
  TUNNEL_MODES,
} from '../config.ts';
import type { OptionSpec } from './spec.ts';

const SECONDS = { kind: 'integer', word: 'sec', max: TIMEOUT_MAX, unit: 'seconds' } as const;

/** How packets become flows: the same options for `nstap daemon` and `nstap replay`. In the order of `--help`. */
export const METERING_OPTIONS: readonly OptionSpec[] = [
  {
    flag: '--idle-timeout',
    key: 'flow.idle-timeout',
    value: { ...SECONDS, min: 1 },
    help: 'a flow without packets ends after this time, whatever its protocol',
    byDefault: 'by protocol and state',
    isLive: true,
    // Those of each state say it.
    inForce: () => null,
  },
  {
    flag: '--timeout',
    key: 'flow.timeouts',
    value: { kind: 'timeouts', word: 'state=sec' },
    help: `the same for one state; may be repeated, or joined with commas: ${Object.keys(TIMEOUT_NAMES).join(', ')}`,
    byDefault: 'see docs/timeouts.md',
    isLive: true,
    inForce: ({ timeouts }) =>
      Object.fromEntries(Object.entries(TIMEOUT_NAMES).map(([name, key]) => [name, timeouts[key]])),
  },
  {
    flag: '--checkpoint',
    key: 'flow.checkpoint',
    value: { ...SECONDS, min: 0 },
    help: 'a flow that goes on is written this often, in place; 0: when it ends',
    byDefault: String(CHECKPOINT_DEFAULT),
    isLive: false,
    inForce: ({ checkpointSec }) => checkpointSec,
  },
  {
    flag: '--active-timeout',
    key: null,
    value: { ...SECONDS, min: 1 },
    help: 'another name for --checkpoint',
    byDefault: '',
    isLive: false,
    inForce: () => null,
  },
  {
    flag: '--max-flows',
    key: 'flow.max-flows',
    value: { kind: 'integer', word: 'n', min: 1, max: MAX_FLOWS_LIMIT, unit: 'flows' },
    help: 'bound on flows held in memory at once, 256 octets each',
    byDefault: String(MAX_FLOWS_DEFAULT),
    isLive: false,
    inForce: ({ maxFlows }) => maxFlows,
  },
  {
    flag: '--tunnels',
    key: 'flow.tunnels',
    value: { kind: 'choice', word: 'mode', choices: TUNNEL_MODES },
    help: 'flows of the outermost IP header; of what is inside VXLAN, GENEVE, GRE, ERSPAN, IP in IP and GTP-U instead; or of both',
    byDefault: 'outer',
    isLive: false,
    inForce: ({ tunnels }) => tunnels,
  },
  {
    flag: '--hints',
    key: 'flow.hints',
    value: { kind: 'switch' },
    help: 'keep names that applications say: DNS query, TLS SNI and ALPN, HTTP host, SSH banner',
    byDefault: 'no',
    isLive: false,
    inForce: ({ hints }) => hints,
  },
  {
    flag: '--payload',
    key: 'flow.payload',
    value: { kind: 'integer', word: 'n', min: 0, max: PAYLOAD_MAX, unit: 'octets' },
    help: 'keep the first octets of the payload of each direction',
    byDefault: '0, none',
    isLive: false,
    inForce: ({ payloadOctets }) => payloadOctets,
  },
  {
    flag: '--timeseries',
    key: 'flow.timeseries',
    value: { kind: 'switch' },
    help: `keep the counters of each flow for every ${SERIES_SEC} s, for \`flows --series\``,
    byDefault: 'no',
    isLive: false,
    inForce: ({ timeseries }) => timeseries,
  },
];
