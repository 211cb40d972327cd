import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { formatAddress, parseAddress } from '../../decoders/address.ts';

/** More distinct addresses than this are not asked for, and not for longer. */
const ADDRESSES_MAX = 256;
const TIMEOUT_MS = 2000;

/** By the text of the address. A command learns names once, before it prints a table. */
const names = new Map<string, string>();

/** Where names of addresses are looked up. */
export interface ReverseSources {
  /** Names by DNS, of a resolver that can be stopped. */
  reverse(address: string): Promise<string[]>;
  cancel(): void;
  hostsFile: string;
  timeoutMs: number;
}

/**
 * Learns the names of addresses, for addressText: of /etc/hosts, else of DNS, up to 256 of them within 2 s. What is not found in
 * time stays an address: a table is better without names than late.
 */
export async function learnNames(
  addresses: Iterable<Buffer>,
  sources: ReverseSources = systemSources(),
): Promise<void> {
  const texts = [...new Set([...addresses].map((bytes) => plainText(bytes)))].filter(
    (text) => !names.has(text),
  );
  const listed = hostNames(sources.hostsFile);
  for (const text of texts) {
    const name = listed.get(text);
    if (name !== undefined) names.set(text, name);
  }
  const unknown = texts.filter((text) => !names.has(text)).slice(0, ADDRESSES_MAX);
  if (unknown.length === 0) return;
  const timer = setTimeout(() => sources.cancel(), sources.timeoutMs);
  try {
    await Promise.all(
      unknown.map(async (text) => {
        // Without a name, and without a name server, an address is shown as what it is.
        const [name] = await sources.reverse(text).catch((): string[] => []);
        if (name !== undefined) names.set(text, name);
      }),
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Forgets all names. */
export function forgetNames(): void {
  names.clear();
}

/** The name of an address, where learnNames found one. @param bytes 4 or 16 octets */
export function addressName(bytes: Buffer): string | null {
  return names.size === 0 ? null : (names.get(plainText(bytes)) ?? null);
}

function plainText(bytes: Buffer): string {
  return formatAddress(bytes, 0, bytes.length === 4 ? 4 : 6);
}

function systemSources(): ReverseSources {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  return {
    reverse: (address) => resolver.reverse(address),
    cancel: () => resolver.cancel(),
    hostsFile: '/etc/hosts',
    timeoutMs: TIMEOUT_MS,
  };
}

/** First names of a file like /etc/hosts, by address; none when it cannot be read: not every system has one. hosts(5). */
function hostNames(file: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readOrEmpty(file).split('\n')) {
    const [text = '', name] = line.replace(/#.*/, '').trim().split(/\s+/);
    const address = parseAddress(text);
    if (address === null || name === undefined) continue;
    const key = plainText(Buffer.from(address.bytes));
    if (!found.has(key)) found.set(key, name);
  }
  return found;
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
