import { readdirSync, readFileSync } from 'node:fs';
import { RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../kernel/netlink-constants.ts';

/**
 * Names for the numbers of rtnetlink as iproute2 prints them: built in (lib/rt_names.c of iproute2 6.1), then the files
 * of /usr/share/iproute2 and /etc/iproute2, where a later one wins.
 */
export interface NumberNames {
  /** The name, or the number as a string. */
  name(value: number): string;
  /** The number of a name, of a decimal or 0x number; null for neither. */
  number(text: string): number | null;
  /** The name of a name or number; a text that is neither as it is: the host where it was printed has more names. */
  canonical(text: string): string;
}

const FOLDERS = ['/usr/share/iproute2', '/etc/iproute2'];

/** RTN_* by number. linux/rtnetlink.h */
export const ROUTE_TYPES = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
  'xresolve',
] as const;

/** RTN_* in lower case, or the number as a string. */
export function routeTypeName(value: number): string {
  return ROUTE_TYPES[value] ?? String(value);
}

/** Route tables: rt_tables. */
export const tableNames = names('rt_tables', [
  [RT_TABLE_DEFAULT, 'default'],
  [RT_TABLE_MAIN, 'main'],
  [RT_TABLE_LOCAL, 'local'],
]);

/** Origins of routes, RTPROT_*: rt_protos. */
export const protocolNames = names('rt_protos', [
  [0, 'unspec'],
  [1, 'redirect'],
  [2, 'kernel'],
  [3, 'boot'],
  [4, 'static'],
  [8, 'gated'],
  [9, 'ra'],
  [10, 'mrt'],
  [11, 'zebra'],
  [12, 'bird'],
  [13, 'dnrouted'],
  [14, 'xorp'],
  [15, 'ntk'],
  [16, 'dhcp'],
  [18, 'keepalived'],
  [42, 'babel'],
  [99, 'openr'],
  [186, 'bgp'],
  [187, 'isis'],
  [188, 'ospf'],
  [189, 'rip'],
  [192, 'eigrp'],
]);

/** Scopes, RT_SCOPE_*: rt_scopes. */
export const scopeNames = names('rt_scopes', [
  [0, 'global'],
  [255, 'nowhere'],
  [254, 'host'],
  [253, 'link'],
  [200, 'site'],
]);

/** Differentiated services as whole octets, rt_dsfield: RFC 2474, 2597, 3246, 5865, 8622. */
const dsFieldNames = names('rt_dsfield', [
  [0x00, 'default'],
  [0x04, 'LE'],
  [0x20, 'CS1'],
  [0x28, 'AF11'],
  [0x30, 'AF12'],
  [0x38, 'AF13'],
  [0x40, 'CS2'],
  [0x48, 'AF21'],
  [0x50, 'AF22'],
  [0x58, 'AF23'],
  [0x60, 'CS3'],
  [0x68, 'AF31'],
  [0x70, 'AF32'],
  [0x78, 'AF33'],
  [0x80, 'CS4'],
  [0x88, 'AF41'],
  [0x90, 'AF42'],
  [0x98, 'AF43'],
  [0xa0, 'CS5'],
  [0xb0, 'VOICE-ADMIT'],
  [0xb8, 'EF'],
  [0xc0, 'CS6'],
  [0xe0, 'CS7'],
]);

/** A TOS octet as `ip` prints it: "AF11", "0x10", also without 0x but still hexadecimal; null for another text. */
export function parseTos(text: string): number | null {
  if (/^(0[xX])?[0-9a-fA-F]{1,2}$/.test(text) && text !== 'EF') return Number.parseInt(text, 16);
  const octet = dsFieldNames.number(text);
  return octet !== null && octet <= 0xff ? octet : null;
}

/** A DSCP as `ip` prints it: "AF11" or a number, 0 to 63; null for another text. */
export function parseDscp(text: string): number | null {
  const number = parseNumber(text);
  if (number !== null) return number <= 63 ? number : null;
  const octet = dsFieldNames.number(text);
  return octet === null ? null : octet >>> 2;
}

/** RTN_* by its name or, as `ip -N` prints it, by its number; null for another word. */
export function routeType(word: string): string | null {
  const name = /^\d+$/.test(word) ? ROUTE_TYPES[Number(word)] : word;
  return name !== undefined && (ROUTE_TYPES as readonly string[]).includes(name) ? name : null;
}

/** Interface groups: group. */
export const groupNames = names('group', [[0, 'default']]);

/** Router preference of a route, RTA_PREF. RFC 4191 §2.1; null where `ip` prints none. */
export function preferenceName(value: number): string | null {
  if (value === 0) return 'medium';
  if (value === 1) return 'high';
  return value === 3 ? 'low' : null;
}

/** IF_OPER_* by number. linux/if.h */
export const OPER_STATES = [
  'unknown',
  'notpresent',
  'down',
  'lowerlayerdown',
  'testing',
  'dormant',
  'up',
] as const;

/** A table of names whose files are read when it is first asked. */
function names(file: string, builtIn: readonly (readonly [number, string])[]): NumberNames {
  let byNumber: Map<number, string> | null = null;
  let byName: Map<string, number> | null = null;
  const load = (): void => {
    byNumber = new Map(builtIn);
    for (const folder of FOLDERS) {
      readNames(`${folder}/${file}`, byNumber);
      for (const extra of listFiles(`${folder}/${file}.d`))
        if (extra.endsWith('.conf')) readNames(`${folder}/${file}.d/${extra}`, byNumber);
    }
    byName = new Map([...byNumber].map(([value, name]) => [name, value]));
  };
  return {
    canonical(text) {
      const number = parseNumber(text);
      return number === null ? text : this.name(number);
    },
    name(value) {
      if (byNumber === null) load();
      return byNumber!.get(value) ?? String(value);
    },
    number(text) {
      if (byName === null) load();
      return byName!.get(text) ?? parseNumber(text);
    },
  };
}

/** A decimal or 0x number that fits into 32 bits, else null. */
export function parseNumber(text: string): number | null {
  if (!/^(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text)) return null;
  const value = Number(text);
  return value <= 0xffffffff ? value : null;
}

/** Adds "NUMBER NAME" lines; a line of another form is skipped, as iproute2 does. A file that is not there adds none. */
function readNames(path: string, into: Map<number, string>): void {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  for (const line of text.split('\n')) {
    const found = /^\s*(0x[0-9a-fA-F]+|[0-9]+)\s+([^\s#]+)/.exec(line);
    if (found !== null) into.set(Number(found[1]), found[2]!);
  }
}

function listFiles(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** Names are an extra: a file that is missing, or closed to an engine without rights, leaves the built-in ones. */
function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES';
}
