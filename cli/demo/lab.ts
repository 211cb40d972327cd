import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** Names of the lab's namespaces: prefixed, so that they cannot be anybody's own. */
export const LAB = {
  alone: 'nstap-demo-alone',
  client: 'nstap-demo-client',
  router: 'nstap-demo-router',
  server: 'nstap-demo-server',
} as const;

/** Addresses of the lab. The client has two, so that a policy rule can send one of them another way. */
export const ADDRESS = {
  client: '10.1.0.2',
  clientSlow: '10.1.0.3',
  routerClient: '10.1.0.1',
  routerSlow: '10.9.0.1',
  server: '10.2.0.2',
  nowhere: '10.66.0.1',
} as const;

/** The policy rule's table and preference. */
export const POLICY = { table: 100, preference: 100 } as const;

const LOCK = '/run/nstap-demo.pid';

/**
 * A lab of network namespaces:
 *
 *   client 10.1.0.2, .3 -- 10.1.0.1 router 10.2.0.1 -- 10.2.0.2 server
 *          10.9.0.2 ------ 10.9.0.1
 *
 * The router forwards and has a blackhole route; in the client, packets from 10.1.0.3 follow a policy rule to their own
 * table, over the second link. One namespace stands alone, with nothing but a `lo` that is down.
 */
export class Lab implements Disposable {
  #open = false;

  /**
   * Builds the lab. What an earlier demo left behind after being killed is removed first.
   * @throws Error when another demo runs, or a command of `ip` fails; nothing is left behind then
   */
  build(): void {
    takeLock();
    this.#open = true;
    removeNamespaces();
    try {
      for (const name of Object.values(LAB)) ip(['netns', 'add', name]);
      link(LAB.client, 'to-router', '10.1.0.2/24', LAB.router, 'to-client', '10.1.0.1/24');
      link(LAB.client, 'slow', '10.9.0.2/24', LAB.router, 'slow', '10.9.0.1/24');
      link(LAB.router, 'to-server', '10.2.0.1/24', LAB.server, 'to-router', '10.2.0.2/24');
      ip(['-n', LAB.client, 'address', 'add', '10.1.0.3/24', 'dev', 'to-router']);
      ip(['-n', LAB.client, 'route', 'add', 'default', 'via', '10.1.0.1']);
      ip(['-n', LAB.server, 'route', 'add', 'default', 'via', '10.2.0.1']);
      ip(['-n', LAB.router, 'route', 'add', 'blackhole', '10.66.0.0/16']);
      ip(['-n', LAB.client, 'route', 'add', 'default', 'via', '10.9.0.1', 'table', String(POLICY.table)]);
      ip([
        ...['-n', LAB.client, 'rule', 'add', 'from', '10.1.0.3'],
        ...['lookup', String(POLICY.table), 'pref', String(POLICY.preference)],
      ]);
      // The answer to 10.1.0.3 comes back over the other link: the default of rp_filter may be strict (Debian: loose).
      const sysctls = [
        'net.ipv4.ip_forward=1',
        'net.ipv4.conf.all.rp_filter=0',
        'net.ipv4.conf.slow.rp_filter=0',
      ];
      for (const setting of sysctls) setSysctl(LAB.router, setting);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Brings `lo` of the lonely namespace up. */
  bringLoopbackUp(): void {
    ip(['-n', LAB.alone, 'link', 'set', 'lo', 'up']);
  }

  /** Notes a process of this demo outside its namespaces: if the demo is killed, the next one ends it. */
  note(pid: number): void {
    appendFileSync(LOCK, `\n${pid}`);
  }

  /** Removes every namespace of the lab. Idempotent. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    removeNamespaces();
    rmSync(LOCK, { force: true });
  }
}

/** Why the lab cannot be built here, in words; null when it can. Tries it: makes a namespace and removes it. */
export function labObstacle(): string | null {
  if (process.getuid?.() !== 0) return 'not running as root';
  const probe = `${LAB.alone}-probe`;
  try {
    ip(['netns', 'add', probe]);
    return null;
  } catch (error) {
    const reason = error as NodeJS.ErrnoException;
    return reason.code === 'ENOENT' ? 'the `ip` command is missing (package iproute2)' : reason.message;
  } finally {
    if (existsSync(`/run/netns/${probe}`)) ip(['netns', 'delete', probe]);
  }
}

/** Runs `ip` with these words. @throws Error with the command and what it said */
export function ip(words: string[]): string {
  try {
    return execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const failed = error as NodeJS.ErrnoException & { stderr?: string };
    if (failed.code === 'ENOENT') throw error;
    throw new Error(`ip ${words.join(' ')}: ${failed.stderr?.trim() || failed.message}`, { cause: error });
  }
}

function link(nsA: string, devA: string, addrA: string, nsB: string, devB: string, addrB: string): void {
  ip(['-n', nsA, 'link', 'add', devA, 'type', 'veth', 'peer', 'name', devB, 'netns', nsB]);
  for (const [ns, dev, address] of [
    [nsA, devA, addrA],
    [nsB, devB, addrB],
  ] as const) {
    ip(['-n', ns, 'address', 'add', address, 'dev', dev]);
    ip(['-n', ns, 'link', 'set', dev, 'up']);
  }
}

/** Writes a sysctl through /proc inside the namespace; `sysctl` itself may not be installed. */
function setSysctl(netns: string, setting: string): void {
  const [key = '', value = ''] = setting.split('=');
  const path = `/proc/sys/${key.replaceAll('.', '/')}`;
  ip(['netns', 'exec', netns, process.execPath, '-e', `require('fs').writeFileSync('${path}', '${value}')`]);
}

function removeNamespaces(): void {
  for (const name of Object.values(LAB)) {
    if (existsSync(`/run/netns/${name}`)) ip(['netns', 'delete', name]);
  }
}

function takeLock(): void {
  if (existsSync(LOCK)) {
    const [pid = 0, ...noted] = readFileSync(LOCK, 'utf8').split('\n').map(Number);
    if (pid > 0 && pid !== process.pid && existsSync(`/proc/${pid}`)) {
      throw new Error(`another demo is running (process ${pid}); wait for its end, or remove ${LOCK}`);
    }
    // Their numbers may be somebody else's by now; no other program has the lab's names in its arguments.
    for (const left of noted) if (commandLine(left).includes(LAB.alone)) process.kill(left, 'SIGTERM');
  }
  writeFileSync(LOCK, String(process.pid));
}

/** The words of a process, or "" when there is none. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
