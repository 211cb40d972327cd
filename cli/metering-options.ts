import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  CHECKPOINT_DEFAULT,
  defaultMetering,
  idleTimeouts,
  MAX_FLOWS_DEFAULT,
  type MeteringOptions,
  PAYLOAD_MAX,
  TIMEOUT_NAMES,
  type TunnelMode,
} from '../daemon/config.ts';
import { SERIES_SEC } from '../storage/series.ts';
import { UsageError } from './errors.ts';
import { MAX_FLOWS_LIMIT, tunnelsOption, wholeNumber } from './option-values.ts';

/** The longest timeout that makes sense: a day. */
const TIMEOUT_MAX = 86_400;

type Timeouts = MeteringOptions['timeouts'];

/** Flags that say how packets become flows, as they were given. */
export interface MeteringFlags {
  idleTimeout?: number;
  timeout: Partial<Timeouts>;
  checkpoint?: number;
  activeTimeout?: number;
  maxFlows?: number;
  tunnels: TunnelMode;
  hints?: boolean;
  payload?: number;
  timeseries?: boolean;
}

/** Adds those flags to a command: the same wherever packets come from. @param checkpointHelp its default in words */
export function addMeteringOptions(command: Command, checkpointHelp: string): void {
  command
    .option(
      '--idle-timeout <sec>',
      'a flow without packets ends after this time, whatever its protocol (default: by protocol and state)',
      wholeNumber(1, TIMEOUT_MAX, 'seconds'),
    )
    .addOption(
      new Option(
        '--timeout <state=sec>',
        `the same for one state; may be repeated, or joined with commas: ${Object.keys(TIMEOUT_NAMES).join(', ')}`,
      )
        .argParser(timeoutValue)
        .default({}, 'see docs/timeouts.md'),
    )
    .option(
      '--checkpoint <sec>',
      `a flow that goes on is written this often, in place; 0: when it ends (default: ${checkpointHelp})`,
      wholeNumber(0, TIMEOUT_MAX, 'seconds'),
    )
    .option('--active-timeout <sec>', 'another name for --checkpoint', wholeNumber(1, TIMEOUT_MAX, 'seconds'))
    .option(
      '--max-flows <n>',
      `bound on flows held in memory at once, 256 octets each (default: ${MAX_FLOWS_DEFAULT})`,
      wholeNumber(1, MAX_FLOWS_LIMIT, 'flows'),
    )
    .addOption(tunnelsOption())
    .option('--hints', 'keep names that applications say: DNS query, TLS SNI and ALPN, HTTP host, SSH banner')
    .option(
      '--payload <n>',
      'keep the first octets of the payload of each direction (default: 0, none)',
      wholeNumber(0, PAYLOAD_MAX, 'octets'),
    )
    .option(
      '--timeseries',
      `keep the counters of each flow for every ${SERIES_SEC} s, for \`flows --series\``,
    );
}

/** What the flags ask for. @param checkpointSec where neither flag says it @throws UsageError for flags that exclude each other */
export function meteringOptions(flags: MeteringFlags, checkpointSec = CHECKPOINT_DEFAULT): MeteringOptions {
  const defaults = defaultMetering();
  const { idleTimeout, activeTimeout, checkpoint, timeseries = false } = flags;
  if (checkpoint !== undefined && activeTimeout !== undefined && checkpoint !== activeTimeout)
    throw new UsageError('--checkpoint and --active-timeout are two names of one thing; give one of them');
  const asked = checkpoint ?? activeTimeout;
  if (timeseries && asked !== undefined && (asked === 0 || SERIES_SEC % asked !== 0))
    throw new UsageError(
      `--timeseries needs a checkpoint at the end of every ${SERIES_SEC} s: --checkpoint 1, 2, 5 or 10, not ${asked}`,
    );
  return {
    maxFlows: flags.maxFlows ?? defaults.maxFlows,
    timeouts: {
      ...(idleTimeout === undefined ? defaults.timeouts : idleTimeouts(idleTimeout)),
      ...flags.timeout,
    },
    checkpointSec: asked ?? (timeseries ? SERIES_SEC : checkpointSec),
    tunnels: flags.tunnels,
    hints: flags.hints ?? defaults.hints,
    payloadOctets: flags.payload ?? defaults.payloadOctets,
    timeseries,
  };
}

/** Parses `udp=30,icmp=5`, over what was given before. */
function timeoutValue(text: string, before: Partial<Timeouts>): Partial<Timeouts> {
  const timeouts = { ...before };
  for (const part of text.split(',')) {
    const [name = '', value = ''] = part.split('=').map((word) => word.trim());
    const key = Object.hasOwn(TIMEOUT_NAMES, name) ? TIMEOUT_NAMES[name] : undefined;
    if (key === undefined || !/^\d+$/.test(value) || Number(value) < 1 || Number(value) > TIMEOUT_MAX)
      throw new InvalidArgumentError(
        `"${part}" is not STATE=SEC. STATE is one of ${Object.keys(TIMEOUT_NAMES).join(', ')}; SEC a whole number from 1 to ${TIMEOUT_MAX}.`,
      );
    timeouts[key] = Number(value);
  }
  return timeouts;
}
