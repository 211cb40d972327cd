import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { address4, address6, type Pick, picker } from './random-tables.ts';

/** A question in text, as `ip route get` takes it; null is left out. */
export interface Question {
  version: 4 | 6;
  dst: string;
  from: string | null;
  iif: string | null;
  oif: string | null;
  uid: number | null;
  tos: number;
  mark: number;
  proto: number | null;
  sport: number;
  dport: number;
}

/** What questions about a namespace are made of. */
export interface QuestionPool {
  devices: string[];
  /** Own, broadcast and network addresses, and neighbours of these; first and last addresses of the routes' prefixes. */
  own4: string[];
  near4: string[];
  own6: string[];
  near6: string[];
}

const SPECIAL4 = [
  '0.0.0.0',
  '0.0.0.1',
  '127.0.0.1',
  '127.5.5.5',
  '127.255.255.255',
  '255.255.255.255',
  '224.0.0.1',
  '224.0.0.5',
  '224.0.0.251',
  '239.1.1.1',
  '239.255.255.250',
  '240.0.0.1',
  '255.255.255.254',
  '169.254.7.9',
  '169.254.255.255',
  '172.31.0.9',
  '192.0.2.9',
  '8.8.8.8',
] as const;

const SPECIAL6 = [
  '::',
  '::1',
  '::ffff:10.9.0.2',
  'fe80::1',
  'fe80::9',
  'fe80::',
  'febf::1',
  'fec0::5',
  'fec0::9',
  'ff01::1',
  'ff02::1',
  'ff02::16',
  'ff05::2',
  'ff0e::1',
  '2001:db8::1',
  '2001:db8::9',
  '2001:4860::8888',
] as const;

/** Makes the pool of a namespace. */
export function questionPool(snapshot: RouteSnapshot): QuestionPool {
  const pool: QuestionPool = {
    devices: snapshot.links.map(({ name }) => name),
    own4: ['127.0.0.1'],
    near4: ['10.9.0.2'],
    own6: ['::1'],
    near6: ['fd00:9::2'],
  };
  for (const { family, address, broadcast } of snapshot.addresses) {
    if (family === 6) {
      pool.own6.push(address);
      pool.near6.push(address.replace(/[0-9a-f]+$/, '9'));
      continue;
    }
    pool.own4.push(address);
    const bytes = address.split('.').map(Number);
    for (const last of [0, 1, 2, 3, 9, 127, 255]) pool.near4.push([...bytes.slice(0, 3), last].join('.'));
    if (broadcast !== null) pool.near4.push(broadcast);
  }
  for (const { family, prefix } of snapshot.routes) {
    const [address, length] = prefix.split('/') as [string, string];
    if (family === 6) {
      pool.near6.push(address);
      continue;
    }
    const word = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
    pool.near4.push(address, dotted(word + 2 ** (32 - Number(length)) - 1));
  }
  return pool;
}

function dotted(word: number): string {
  return [word / 2 ** 24, word / 2 ** 16, word / 2 ** 8, word]
    .map((part) => Math.floor(part) % 256)
    .join('.');
}

/** A random question about a namespace with such a pool. */
export function randomQuestion(next: () => number, pool: QuestionPool): Question {
  const pick = picker(next);
  const version = next() < 0.6 ? 4 : 6;
  const isInput = next() < 0.5;
  const some = (): string => anyAddress(version, next, pick, pool);
  const own = version === 4 ? pool.own4 : pool.own6;
  let from: string | null = some();
  if (!isInput) from = next() < 0.45 ? null : next() < 0.85 ? pick(own) : from;
  else if (version === 6 && next() < 0.03) from = null;
  const icmp = version === 4 ? 1 : 58;
  return {
    version,
    dst: some(),
    from,
    iif: isInput ? pick(pool.devices) : null,
    oif: !isInput && next() < 0.3 ? pick(pool.devices) : null,
    uid: next() < 0.4 ? pick([0, 500, 1000, 2000, 4294967294]) : null,
    tos: next() < 0.2 ? Math.floor(next() * 256) : next() < 0.3 ? pick([4, 8, 16]) : 0,
    mark: next() < 0.3 ? pick([1, 2, 0x12, 0xffffffff]) : 0,
    proto: next() < 0.1 ? null : pick([6, 17, icmp]),
    sport: pick([1000, 1500, 9999]),
    dport: pick([80, 100, 5000]),
  };
}

function anyAddress(version: 4 | 6, next: () => number, pick: Pick, pool: QuestionPool): string {
  const chance = next();
  if (chance < 0.12) return version === 4 ? pick(SPECIAL4) : pick(SPECIAL6);
  if (chance < 0.22) return pick(version === 4 ? pool.own4 : pool.own6);
  if (chance < 0.55) return pick(version === 4 ? pool.near4 : pool.near6);
  return version === 4 ? address4(pick) : address6(pick);
}
