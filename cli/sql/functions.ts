import { formatAddress, formatMac, maskAddress, parseAddress, parsePrefix } from '../../decoders/address.ts';
import type { FlowDatabase } from '../../storage/database.ts';
import { clampNs } from '../../storage/time.ts';
import { flagLetters } from '../format/tcp-flags.ts';
import { formatTime } from '../format/time.ts';
import { parseTime } from '../time-argument.ts';

/** A function that nstap adds to SQL. */
export interface SqlFunction {
  name: string;
  /** As it is called. */
  call: string;
  help: string;
  /** Integers come as bigint; NULL gives NULL without a call. */
  work(args: readonly unknown[], now: bigint): unknown;
}

/** Every function, as docs/sql.md lists them. */
export const SQL_FUNCTIONS: readonly SqlFunction[] = [
  {
    name: 'ip',
    call: "ip('10.0.0.1')",
    help: 'Address as octets, to be compared with `src_ip` and `dst_ip`.',
    work: ([text]) => Buffer.from(parsed(parseAddress(String(text)), text, 'an address').bytes),
  },
  {
    name: 'ip_text',
    call: 'ip_text(src_ip)',
    help: 'Octets of an address as text.',
    work: ([octets]) => (isAddress(octets) ? formatAddress(octets, 0, octets.length === 4 ? 4 : 6) : null),
  },
  {
    name: 'net_first',
    call: "net_first('10.0.0.0/8')",
    help: "First address of a prefix: `src_ip BETWEEN net_first('10.0.0.0/8') AND net_last('10.0.0.0/8')` is answered from an index.",
    work: ([text]) => Buffer.from(netOf(text).first),
  },
  {
    name: 'net_last',
    call: "net_last('10.0.0.0/8')",
    help: 'Last address of a prefix.',
    work: ([text]) => Buffer.from(netOf(text).last),
  },
  {
    name: 'in_net',
    call: "in_net(src_ip, '10.0.0.0/8')",
    help: '1 when an address is in a prefix, else 0; asked row by row.',
    work: ([octets, text]) => {
      if (!isAddress(octets)) return null;
      const { first, last } = netOf(text);
      const isIn = octets.length === first.length && octets.compare(first) >= 0 && octets.compare(last) <= 0;
      return isIn ? 1n : 0n;
    },
  },
  {
    name: 'ns',
    call: "ns('2026-11-25T10:00:00Z')",
    help: 'A time in nanoseconds since 1970, as `--since` takes it: RFC 3339, seconds since 1970, `10m` ago, today, yesterday.',
    work: ([text], now) => clampNs(parseTime(String(text), now)),
  },
  {
    name: 'time_text',
    call: 'time_text(start_ns)',
    help: 'Nanoseconds since 1970 as RFC 3339 in UTC with 9 decimals.',
    work: ([ns]) => (typeof ns === 'bigint' ? formatTime(ns) : null),
  },
  {
    name: 'mac_text',
    call: 'mac_text(…)',
    help: 'Octets of a hardware address as text.',
    work: ([octets]) => (Buffer.isBuffer(octets) && octets.length === 6 ? formatMac(octets, 0) : null),
  },
  {
    name: 'tcp_flags_text',
    call: 'tcp_flags_text(18)',
    help: 'Bits of TCP flags as letters in the order CEUAPRSF.',
    work: ([bits]) => (typeof bits === 'bigint' ? flagLetters(Number(bits)) : null),
  },
];

/** Gives a connection the functions. @param now for times that are told from now, in nanoseconds since 1970 */
export function addFunctions(db: FlowDatabase, now: bigint): void {
  for (const { name, call, work } of SQL_FUNCTIONS) {
    const answer = (...args: unknown[]): unknown => {
      if (args.includes(null)) return null;
      try {
        return work(args, now);
      } catch (error) {
        throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
      }
    };
    // better-sqlite3 reads from `length` how many arguments there are.
    Object.defineProperty(answer, 'length', { value: call.includes(',') ? 2 : 1 });
    db.function(name, { deterministic: true, safeIntegers: true }, answer);
  }
}

/** A prefix is asked for with each row: the last one is remembered. */
let lastNet: { text: unknown; first: Buffer; last: Buffer } | null = null;

function netOf(text: unknown): { first: Buffer; last: Buffer } {
  if (lastNet !== null && lastNet.text === text) return lastNet;
  const { bytes, prefixLen } = parsed(parsePrefix(String(text)), text, 'a prefix such as 10.0.0.0/8');
  const first = Buffer.from(maskAddress(bytes, prefixLen));
  const hostBits = maskAddress(new Uint8Array(bytes.length).fill(255), prefixLen);
  const last = Buffer.from(first.map((octet, i) => octet | (hostBits[i]! ^ 0xff)));
  lastNet = { text, first, last };
  return { first, last };
}

function parsed<T>(value: T | null, text: unknown, what: string): T {
  if (value === null) throw new Error(`${JSON.stringify(text)} is not ${what}`);
  return value;
}

function isAddress(octets: unknown): octets is Buffer {
  return Buffer.isBuffer(octets) && (octets.length === 4 || octets.length === 16);
}
