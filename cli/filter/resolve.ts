import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { parseAddress } from '../../decoders/address.ts';
import type { FilterAddress, FilterNode } from '../../storage/filter-ast.ts';
import type { UsageError } from '../errors.ts';
import { mistakeAt } from './mistake.ts';
import { parseNamed } from './parse.ts';

/** Names of an expression that are looked up, at most, and how long that may take altogether. */
const NAMES_MAX = 100;
const TIMEOUT_MS = 5000;

/** Where names are looked up: hosts as the system does it (/etc/hosts, DNS, …), services in a file like /etc/services. */
export interface NameSources {
  host(name: string): Promise<readonly { address: string }[]>;
  servicesFile: string;
  timeoutMs: number;
}

const SYSTEM: NameSources = {
  host: (name) => lookup(name, { all: true }),
  servicesFile: '/etc/services',
  timeoutMs: TIMEOUT_MS,
};

/**
 * As parseFilter, but a name where an address stands is all addresses of that host, and where a port stands all ports of that
 * service. The names are looked up before the filter is made, each once.
 * @throws UsageError also for a name that is not known, or not in time, with a caret under it
 */
export async function resolveFilter(
  expression: string,
  sources: NameSources = SYSTEM,
): Promise<FilterNode | null> {
  const hosts = new Map<string, number>();
  const services = new Map<string, number[]>();
  const servicePorts = (name: string, at: number): number[] => {
    const known = services.get(name);
    if (known !== undefined) return known;
    const ports = portsOf(name, sources.servicesFile, (why) =>
      mistakeAt(expression, at, `cannot look up the service ${JSON.stringify(name)}: ${why}`),
    );
    services.set(name, ports);
    return ports;
  };
  // Once to find out which names there are, and whether the rest is right; then once more with what they stand for.
  parseNamed(expression, (what, name, at) => {
    if (what === 'service') return servicePorts(name, at);
    if (!hosts.has(name)) hosts.set(name, at);
    if (hosts.size > NAMES_MAX) throw mistakeAt(expression, at, `at most ${NAMES_MAX} names are looked up`);
    return ANY_ADDRESS;
  });
  const addresses = await lookUpAll(expression, hosts, sources);
  return parseNamed(expression, (what, name, at) =>
    what === 'service' ? servicePorts(name, at) : addresses.get(name)!,
  );
}

/** Stands for what is not known yet. */
const ANY_ADDRESS: readonly FilterAddress[] = [{ version: 4, bytes: new Uint8Array(4) }];

async function lookUpAll(
  expression: string,
  hosts: ReadonlyMap<string, number>,
  { host, timeoutMs }: NameSources,
): Promise<Map<string, FilterAddress[]>> {
  const mistake = (at: number, name: string, why: string): UsageError =>
    mistakeAt(expression, at, `cannot look up the host ${JSON.stringify(name)}: ${why}`);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), timeoutMs);
  });
  try {
    const found = await Promise.all(
      [...hosts].map(async ([name, at]): Promise<[string, FilterAddress[]]> => {
        const answer = await Promise.race([
          host(name).catch((error: unknown) => {
            throw mistake(at, name, reason(error));
          }),
          late,
        ]);
        if (answer === null)
          throw mistake(at, name, `no answer within ${timeoutMs / 1000} s; is there a name server?`);
        const addresses = answer.flatMap(({ address }) => parseAddress(address.replace(/%.*/, '')) ?? []);
        if (addresses.length === 0) throw mistake(at, name, 'it has no address');
        return [name, addresses];
      }),
    );
    return new Map(found);
  } finally {
    clearTimeout(timer);
  }
}

/** What the resolver's codes mean. getaddrinfo(3). */
function reason(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (code === 'ENOTFOUND') return 'there is no such host';
  if (code === 'EAI_AGAIN') return 'no name server answers';
  return error instanceof Error ? error.message : String(error);
}

/** Ports of a service by its name or another one, whatever the protocol. services(5). */
function portsOf(name: string, file: string, mistake: (why: string) => UsageError): number[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw mistake(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  const ports = new Set<number>();
  for (const line of text.split('\n')) {
    const [service, port = '', ...others] = line.replace(/#.*/, '').trim().split(/\s+/);
    const number = /^(\d{1,5})\/\w+$/.exec(port)?.[1];
    if (number !== undefined && (service === name || others.includes(name))) ports.add(Number(number));
  }
  if (ports.size === 0) throw mistake(`there is none of this name in ${file}`);
  return [...ports];
}
