import { DECISION_KEYS } from '../../storage/route-decision.ts';
import type { FlowRow } from '../../storage/query.ts';
import { UsageError } from '../errors.ts';
import { suggestion } from '../../daemon/options/suggestion.ts';
import { formatCount, formatRate } from './count.ts';
import { FLOW_JSON_FIELDS, FLOW_KEYS, type FlowJson, TUNNEL_KEYS } from './flow-json.ts';
import { flowText, placeText, routeCell, routeText } from './flow-text.ts';
import { perSecond, shortDuration, shortMicros, shortTime } from './time.ts';

/** A field of a flow that can be asked for by name. */
export interface FlowField {
  name: string;
  /** Exact, as JSON has it. */
  value(row: FlowRow): unknown;
  /** For people. */
  text(row: FlowRow): string;
  isNumber: boolean;
}

/** Other names for fields, as people know them from the filter language and other tools. */
const ALIASES: Readonly<Record<string, string>> = {
  id: 'flow_id',
  time: 'start',
  port: 'dst_port',
  proto: 'protocol',
  if: 'interface',
  state: 'conn_state',
  rtt: 'rtt_us',
  duration: 'duration_s',
  bps: 'rate',
  pps: 'packet_rate',
};

/** Fields that JSON does not have, because they follow from others. */
const DERIVED: Readonly<
  Record<string, { help: string; value(row: FlowRow): unknown; text?(row: FlowRow): string }>
> = {
  packets: { help: 'packets, both directions', value: (row) => row.packetsFwd + row.packetsRev },
  bytes: { help: 'octets of frames, both directions', value: (row) => row.bytesFwd + row.bytesRev },
  ip_bytes: {
    help: 'octets of IP packets, both directions',
    value: (row) => row.ipBytesFwd + row.ipBytesRev,
  },
  payload_bytes: {
    help: 'octets behind the transport header, both directions',
    value: (row) => row.payloadBytesFwd + row.payloadBytesRev,
  },
  retransmits: {
    help: 'segments sent again, both directions',
    value: (row) =>
      row.retransmitsFwd === null || row.retransmitsRev === null
        ? null
        : row.retransmitsFwd + row.retransmitsRev,
  },
  rate: {
    help: 'bits of frames a second, from the first to the last packet',
    value: (row) => perSecond((row.bytesFwd + row.bytesRev) * 8, row.endNs - row.startNs),
    text: (row) => {
      const rate = perSecond((row.bytesFwd + row.bytesRev) * 8, row.endNs - row.startNs);
      return rate === null ? '-' : formatRate(rate);
    },
  },
  packet_rate: {
    help: 'packets a second, from the first to the last one',
    value: (row) => perSecond(row.packetsFwd + row.packetsRev, row.endNs - row.startNs),
  },
  flow: { help: 'both ends with their ports', value: flowText },
  place: { help: 'namespace and interface, VLANs and tunnel behind them', value: placeText },
  route: { help: "the decision in short, of the originator's direction", value: routeCell },
  host: { help: 'the machine that captured it', value: (row) => row.host },
};

/** Fields within others, and the keys they have. */
const NESTED: Readonly<Record<string, readonly string[]>> = {
  route_fwd: DECISION_KEYS,
  route_rev: DECISION_KEYS,
  tunnel: TUNNEL_KEYS,
  hints: [
    'dns.query',
    'dns.type',
    'dns.rcode',
    'tls.sni',
    'tls.alpn',
    'http.method',
    'http.host',
    'http.status',
    'ssh.client',
    'ssh.server',
  ],
};

/** Every name that `flowField` takes, but for aliases. */
export const FLOW_FIELD_NAMES: readonly string[] = [
  ...Object.keys(DERIVED),
  ...FLOW_KEYS.flatMap((key) => [key, ...(NESTED[key] ?? []).map((part) => `${key}.${part}`)]),
];

/** The field of a name; `route.X` is short for `route_fwd.X`. @throws UsageError that suggests one */
export function flowField(name: string): FlowField {
  const plain = name.trim().toLowerCase().replaceAll('-', '_');
  const full = plain.startsWith('route.') ? `route_fwd${plain.slice(5)}` : plain;
  const known = ALIASES[full] ?? full;
  const derived = Object.hasOwn(DERIVED, known) ? DERIVED[known]! : null;
  if (derived !== null) {
    const text = derived.text ?? ((row) => cellText(known, derived.value(row)));
    return { name: known, value: derived.value, text, isNumber: isNumeric(known) };
  }
  if (!FLOW_FIELD_NAMES.includes(known))
    throw new UsageError(
      `there is no field "${name.trim()}"${suggestion(full, [...FLOW_FIELD_NAMES, ...Object.keys(ALIASES)])}; \`nstap flows --columns help\` lists them`,
    );
  const [key, ...parts] = known.split('.') as [keyof FlowJson, ...string[]];
  const make = FLOW_JSON_FIELDS[key] as (row: FlowRow) => unknown;
  const value = (row: FlowRow): unknown => {
    let found = make(row);
    for (const part of parts) found = (found as Record<string, unknown> | null | undefined)?.[part] ?? null;
    return found;
  };
  const special = TEXTS[known];
  return {
    name: known,
    value,
    text: special ?? ((row) => cellText(known, value(row))),
    isNumber: isNumeric(known),
  };
}

/** The fields of names with commas between. @throws UsageError that suggests one */
export function flowFields(names: string): FlowField[] {
  return names.split(',').map((name) => flowField(name));
}

/** The text of `--columns help`. */
export function flowFieldsHelp(): string {
  const derived = Object.entries(DERIVED).map(([name, { help }]) => `  ${name.padEnd(15)} ${help}`);
  const nested = Object.entries(NESTED).map(
    ([key, parts]) =>
      `  ${key}.X`.padEnd(18) +
      wrapped(
        parts.map((part) => part),
        18,
      ),
  );
  return [
    'Fields for --columns, as docs/flow-fields.md explains them.',
    '',
    'Of JSON:',
    `  ${wrapped(FLOW_KEYS, 2)}`,
    '',
    'Within these (route.X is short for route_fwd.X):',
    ...nested,
    '',
    'Made of them:',
    ...derived,
    '',
    `Short for others: ${Object.entries(ALIASES)
      .map(([alias, name]) => `${alias} (${name})`)
      .join(', ')}`,
    '',
  ].join('\n');
}

const HELP_WIDTH = 100;

function wrapped(words: readonly string[], indent: number): string {
  const lines: string[] = [''];
  for (const word of words) {
    const last = lines.at(-1)!;
    if (last.length + word.length + 1 > HELP_WIDTH - indent) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}

/** What a table shows in a form of its own. */
const TEXTS: Readonly<Record<string, (row: FlowRow) => string>> = {
  start: (row) => shortTime(row.startNs),
  end: (row) => shortTime(row.endNs),
  duration_s: (row) => shortDuration(row.endNs - row.startNs),
  route_fwd: (row) => routeText(row.routeFwd),
  route_rev: (row) => routeText(row.routeRev),
};

/** Numbers that are names of something: as they are, however large. */
const PLAIN_NUMBERS =
  /^(flow_id|vlan|ip_version|proto_number|(src|dst)_port|ip_id_.*|.*\.(rule|metric|id|outer_flow_id|status))$/;

function isNumeric(name: string): boolean {
  return !NOT_NUMERIC.test(name);
}

const NOT_NUMERIC =
  /^(netns|interface|vlan|protocol|src|dst|start|end|tcp_flags_.*|conn_state|history|originator_guessed|.*_mac|community_id|end_reason|experiments?|hints.*|payload_(fwd|rev)|(route|tunnel).*|flow|place|host)$/;

function cellText(name: string, value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') {
    if (PLAIN_NUMBERS.test(name)) return String(value);
    if (/_us(_|$)/.test(name)) return shortMicros(value);
    return formatCount(Number.isInteger(value) ? value : Math.round(value * 10) / 10);
  }
  if (Array.isArray(value) && value.every((each) => typeof each !== 'object'))
    return value.length === 0 ? '-' : value.join(' ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
