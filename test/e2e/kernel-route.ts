import { spawnSync } from 'node:child_process';

/** A route in the words of a decision, as the kernel itself says it through `ip`. */
export interface KernelRoute {
  type: string;
  table: string;
  prefix: string;
  gateway: string | null;
  dev: string | null;
  scope: string;
  protocol: string;
  metric: number | null;
  prefsrc: string | null;
  text: string;
}

/** Values of `ip -d -j route` that the tests read. */
interface IpRoute {
  type: string;
  dst: string;
  gateway?: string;
  via?: { family: string; host: string };
  dev?: string;
  table: string;
  protocol: string;
  scope: string;
  prefsrc?: string;
  metric?: number;
  nexthops?: IpRoute[];
}

/**
 * Asks the kernel of a namespace for the route that one packet matches: `ip route get fibmatch WORDS`.
 * @param words destination and what else is known of the packet: "10.2.0.2 from 10.1.0.2 iif eth0"
 * @param dev   the interface whose hop a multipath route is told with; its first hop by default
 * @throws Error with the kernel's error where it drops such a packet
 */
export function kernelRoute(netns: string, words: string, dev?: string): KernelRoute {
  const family = words.split(' ')[0]!.includes(':') ? '-6' : '-4';
  const get = [family, '-n', netns, 'route', 'get', 'fibmatch', ...words.split(' ')];
  const [found] = JSON.parse(ip(['-d', '-j', ...get])) as IpRoute[];
  // The answer for IPv6 repeats the interface of the question.
  const text = oneLine(ip(get)).replace(/ iif \S+/, '');
  const route = ofIp(family, found!, text, dev);
  // Until the first rule is added, the kernel keeps the IPv4 table local within main, and calls it main.
  const isLocal = route.type === 'local' || route.type === 'broadcast';
  return route.table === 'main' && isLocal ? tableRoute(netns, 'local', route.prefix) : route;
}

/** The kernel's error for one packet: "Network is unreachable". @throws Error when it has a route for it */
export function kernelRefusal(netns: string, words: string): string {
  try {
    const route = kernelRoute(netns, words);
    throw new Error(`the kernel has a route for ${words}: ${route.text}`);
  } catch (error) {
    const refusal = /RTNETLINK answers: (.*)/.exec((error as Error).message);
    if (refusal === null) throw error;
    return refusal[1]!;
  }
}

/** The one route of a table that has this prefix, in the words of `ip route show`. @throws Error unless there is one */
export function tableRoute(netns: string, table: string, prefix: string, dev?: string): KernelRoute {
  const family = prefix.includes(':') ? '-6' : '-4';
  const show = [family, '-n', netns, 'route', 'show', 'table', 'all'];
  const routes = JSON.parse(ip(['-d', '-j', ...show])) as IpRoute[];
  // Next hops of a multipath route are on lines of their own.
  const lines = ip(show).trim().replaceAll(/\n\t/g, ' ').split('\n');
  const found = routes
    .map((route, i) => ofIp(family, route, oneLine(lines[i]!), dev))
    .filter((route) => route.table === table && route.prefix === prefix && (!dev || route.dev === dev));
  if (found.length !== 1) throw new Error(`${found.length} routes ${prefix} in table ${table} of ${netns}`);
  return found[0]!;
}

function ofIp(family: '-4' | '-6', route: IpRoute, text: string, dev?: string): KernelRoute {
  const hop = route.nexthops?.find((each) => dev === undefined || each.dev === dev) ?? route;
  const dst = route.dst === 'default' ? (family === '-6' ? '::/0' : '0.0.0.0/0') : route.dst;
  return {
    type: route.type,
    table: route.table,
    prefix: dst.includes('/') ? dst : `${dst}/${dst.includes(':') ? 128 : 32}`,
    gateway: hop.gateway ?? hop.via?.host ?? null,
    dev: hop.dev ?? null,
    scope: route.scope,
    protocol: route.protocol,
    metric: route.metric ?? null,
    prefsrc: route.prefsrc ?? null,
    text,
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}

function ip(words: string[]): string {
  const { status, stdout, stderr } = spawnSync('ip', words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${stderr}`);
  return stdout;
}
