import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADDRESS, LAB, Lab, labObstacle } from '../../cli/demo/lab.ts';
import { DemoDaemon } from '../../cli/demo/program.ts';
import { fetchFrom, Servers, sendUdp } from '../../cli/demo/traffic.ts';
import { readCaptures } from '../../storage/captures.ts';
import { openForReading } from '../../storage/database.ts';
import { hasReadAll, until } from '../kernel/lab.ts';
import { MAIN, nstap } from '../support/nstap.ts';

/** Why this cannot run here, or null. */
function obstacle(): string | null {
  const lab = labObstacle();
  if (lab !== null) return lab;
  const missing = ['tcpdump', 'tshark'].filter((name) => spawnSync(name, ['--version']).error !== undefined);
  return missing.length > 0 ? `${missing.join(' and ')} not installed` : null;
}

const INTERFACES = [
  [LAB.alone, 'lo'],
  [LAB.client, 'to-router'],
  [LAB.client, 'slow'],
  [LAB.router, 'to-client'],
  [LAB.router, 'slow'],
  [LAB.router, 'to-server'],
  [LAB.server, 'to-router'],
] as const;

/** Per direction of a conversation: packets and frame octets. */
type Counts = Record<string, [number, number]>;

/** A tcpdump, and what it has written to stderr. */
interface Dump {
  child: ChildProcess;
  device: string;
  said(): string;
}

interface Flow {
  netns: string;
  interface: string;
  protocol: string;
  src: string;
  src_port: number | null;
  dst: string;
  dst_port: number | null;
  packets_fwd: number;
  packets_rev: number;
  bytes_fwd: number;
  bytes_rev: number;
  conn_state: string;
  route_fwd: Record<string, unknown> | null;
  route_rev: Record<string, unknown> | null;
}

const reason = obstacle();

describe.skipIf(reason !== null)(
  `the demo's lab against tcpdump${reason === null ? '' : ` (skipped: ${reason})`}`,
  () => {
    const scratch = mkdtempSync(join(tmpdir(), 'nstap-lab-'));
    const db = join(scratch, 'flows.db');
    const file = (netns: string, name: string): string => join(scratch, `${netns}-${name}.pcap`);
    let flows: Flow[] = [];

    beforeAll(async () => {
      chmodSync(scratch, 0o777);
      const lab = new Lab();
      const servers = new Servers();
      const dumps: Dump[] = [];
      let daemon: DemoDaemon | null = null;
      try {
        lab.build();
        lab.bringLoopbackUp();
        const netns = Object.values(LAB).flatMap((name) => ['--netns', name]);
        daemon = new DemoDaemon([...netns, '--db', db, '--ring-mib', '4', '--filter', 'ip']);
        await daemon.capturing(10);
        for (const [name, device] of INTERFACES) dumps.push(await tcpdump(name, device, file(name, device)));
        await servers.http(LAB.alone);
        await servers.http(LAB.server);
        await servers.udpEcho(LAB.server);
        await fetchFrom(LAB.alone, '127.0.0.1', null);
        expect(await fetchFrom(LAB.client, ADDRESS.server, ADDRESS.client)).toBe('hello from nstap');
        expect(await fetchFrom(LAB.client, ADDRESS.server, ADDRESS.clientSlow)).toBe('hello from nstap');
        expect(await sendUdp(LAB.client, ADDRESS.server, 5353)).toBe('answered');
        expect(await sendUdp(LAB.client, ADDRESS.server, 9)).toBe('refused');
        expect(await sendUdp(LAB.client, ADDRESS.nowhere, 9)).toBe('silence');
        servers[Symbol.dispose]();
        for (const { child, device, said } of dumps) {
          await hasReadAll(child, device, said);
          child.kill('SIGINT');
          await once(child, 'exit');
        }
        await daemon.stop();
      } finally {
        for (const { child } of dumps) child.kill('SIGKILL');
        servers[Symbol.dispose]();
        daemon?.[Symbol.dispose]();
        lab[Symbol.dispose]();
      }
      flows = nstap(['flows', '--db', db, '--format', 'ndjson'])
        .stdout.trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Flow);
    });
    afterAll(() => rmSync(scratch, { recursive: true, force: true }));

    test.each(INTERFACES)(
      '%s/%s: every packet that tcpdump saw, on the same conversation',
      (netns, device) => {
        const theirs = tsharkCounts(file(netns, device));
        expect(Object.keys(theirs).length).toBeGreaterThan(0);
        const here = flows.filter((flow) => flow.netns === netns && flow.interface === device);
        expect(flowCounts(here)).toEqual(theirs);
      },
    );

    test('received = decoded + undecodable, nothing lost, and the copies on lo are counted apart', () => {
      const database = openForReading(db);
      const rows = readCaptures(database);
      database.close();
      const inFlows = flows.reduce((n, flow) => n + flow.packets_fwd + flow.packets_rev, 0);
      expect(rows.reduce((n, row) => n + row.packets, 0)).toBe(inFlows);
      expect(rows.map((r) => [r.undecoded, r.kernelDrops, r.shedRecords, r.evictedFlows])).toEqual(
        rows.map(() => [0, 0, 0, 0]),
      );
      const lo = rows.find((row) => row.netns === LAB.alone)!;
      expect(lo.duplicates).toBe(lo.packets);
    });

    const decision = (netns: string, device: string, dst: string, port: number, src?: string): Flow => {
      const found = flows.filter(
        (f) =>
          f.netns === netns &&
          f.interface === device &&
          f.dst === dst &&
          f.dst_port === port &&
          (!src || f.src === src),
      );
      expect(found, `${netns}/${device} to ${dst}:${port}`).toHaveLength(1);
      return found[0]!;
    };

    test('on lo the packets are delivered by the local table', () => {
      expect(decision(LAB.alone, 'lo', '127.0.0.1', 8900)).toMatchObject({
        conn_state: 'SF',
        route_fwd: { type: 'local', verdict: 'deliver', rule: 0, table: 'local', dev: 'lo' },
      });
    });

    test('the client sends by its default route, the answer is delivered', () => {
      expect(decision(LAB.client, 'to-router', ADDRESS.server, 8900, ADDRESS.client)).toMatchObject({
        conn_state: 'SF',
        route_fwd: {
          type: 'unicast',
          verdict: 'send',
          rule: 32766,
          table: 'main',
          prefix: '0.0.0.0/0',
          gateway: ADDRESS.routerClient,
          dev: 'to-router',
          stage: 'output',
          observed: 'agrees',
        },
        route_rev: { type: 'local', verdict: 'deliver', rule: 0, table: 'local', stage: 'input' },
      });
    });

    test('the second address follows the policy rule to its own table and leaves by the other link', () => {
      expect(decision(LAB.client, 'slow', ADDRESS.server, 8900, ADDRESS.clientSlow)).toMatchObject({
        route_fwd: { rule: 100, table: '100', gateway: ADDRESS.routerSlow, dev: 'slow', observed: 'agrees' },
        route_rev: null,
      });
      expect(
        decision(LAB.client, 'to-router', ADDRESS.server, 8900, ADDRESS.clientSlow).route_fwd,
      ).toBeNull();
    });

    test('the router forwards', () => {
      expect(decision(LAB.router, 'to-client', ADDRESS.server, 8900, ADDRESS.client).route_fwd).toMatchObject(
        {
          verdict: 'forward',
          type: 'unicast',
          prefix: '10.2.0.0/24',
          dev: 'to-server',
          stage: 'input',
        },
      );
      expect(decision(LAB.router, 'to-server', ADDRESS.server, 8900, ADDRESS.client).route_fwd).toMatchObject(
        {
          verdict: 'forward',
          stage: 'forward',
          observed: 'agrees',
        },
      );
    });

    test('the blackhole drops, with a reason', () => {
      expect(decision(LAB.router, 'to-client', ADDRESS.nowhere, 9).route_fwd).toMatchObject({
        type: 'blackhole',
        verdict: 'drop',
        prefix: '10.66.0.0/16',
        table: 'main',
        reason: expect.stringMatching(/\w/),
      });
    });
  },
);

async function tcpdump(netns: string, device: string, path: string): Promise<Dump> {
  const words = ['netns', 'exec', netns, 'tcpdump', '-i', device, '-U', '-w', path, 'ip'];
  const child = spawn('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr!.on('data', (chunk) => {
      log += chunk;
      if (log.includes('listening on')) resolve();
    });
    child.once('exit', () => reject(new Error(`tcpdump on ${device} in ${netns}: ${log}`)));
  });
  return { child, device, said: () => log };
}

function tsharkCounts(path: string): Counts {
  const fields = [
    'ip.src',
    'ip.dst',
    'ip.proto',
    'tcp.srcport',
    'tcp.dstport',
    'udp.srcport',
    'udp.dstport',
    'frame.len',
  ];
  const words = [
    '-r',
    path,
    '-n',
    '-T',
    'fields',
    '-E',
    'occurrence=f',
    ...fields.flatMap((field) => ['-e', field]),
  ];
  const { status, stdout, stderr } = spawnSync('tshark', words, { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const counts: Counts = {};
  for (const line of stdout.trim().split('\n').filter(Boolean)) {
    const [src, dst, proto, tcpSrc, tcpDst, udpSrc, udpDst, length] = line.split('\t') as string[];
    const icmp = proto === '1';
    add(counts, src!, icmp ? '' : tcpSrc || udpSrc!, dst!, icmp ? '' : tcpDst || udpDst!, 1, Number(length));
  }
  return counts;
}

function flowCounts(list: Flow[]): Counts {
  const counts: Counts = {};
  for (const f of list) {
    const port = (n: number | null): string => (f.protocol === 'icmp' ? '' : String(n));
    add(counts, f.src, port(f.src_port), f.dst, port(f.dst_port), f.packets_fwd, f.bytes_fwd);
    add(counts, f.dst, port(f.dst_port), f.src, port(f.src_port), f.packets_rev, f.bytes_rev);
  }
  return counts;
}

function add(
  counts: Counts,
  src: string,
  sport: string,
  dst: string,
  dport: string,
  packets: number,
  bytes: number,
): void {
  if (packets === 0) return;
  const key = `${src}:${sport} > ${dst}:${dport}`;
  const [p, b] = counts[key] ?? [0, 0];
  counts[key] = [p + packets, b + bytes];
}

describe.skipIf(reason !== null)(`nstap demo${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  const tmp = mkdtempSync(join(tmpdir(), 'nstap-demo-test-'));
  chmodSync(tmp, 0o777);
  afterAll(() => rmSync(tmp, { recursive: true, force: true }));

  /** Namespaces of the lab. */
  function left(): string[] {
    const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
    return stdout.split('\n').filter((line) => line.startsWith('nstap-demo-'));
  }

  /** Starts the demo in a process group of its own, as a terminal does, and waits until it has printed `text`. */
  async function startDemo(text: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, [MAIN, 'demo'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, TMPDIR: tmp }, // killed, it leaves its folder behind
    });
    child.stderr!.resume();
    let printed = '';
    await new Promise<void>((resolve, reject) => {
      child.stdout!.setEncoding('utf8').on('data', (more: string) => {
        printed += more;
        if (printed.includes(text)) resolve();
      });
      child.once('close', () => reject(new Error(`the demo ended without "${text}":\n${printed}`)));
    });
    return child;
  }

  test.each([['A lab of namespaces'], ['Its lo is down'], ['3. Through the router']])(
    'Ctrl-C after "%s" ends it with 130 and removes everything',
    async (text) => {
      const child = await startDemo(text);
      const exited = once(child, 'exit');
      process.kill(-child.pid!, 'SIGINT');
      expect(await exited).toEqual([130, null]);
      expect(left()).toEqual([]);
    },
  );

  test('killed, it leaves no server running, and the next one cleans up', async () => {
    const others = daemonsOf(LAB.alone);
    const child = await startDemo('2. ip link set lo up');
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    await until('its server ends', () => serversIn(LAB.alone) === 0);
    const daemons = daemonsOf(LAB.alone).filter((pid) => !others.includes(pid));
    expect(daemons.length).toBeGreaterThan(0);
    const { status, stdout } = nstap(['demo']);
    expect(status).toBe(0);
    expect(stdout).toContain('blackhole 10.66.0.0/16 (drop)');
    expect(left()).toEqual([]);
    await until('the daemon left behind ends', () => !daemons.some((pid) => existsSync(`/proc/${pid}`)));
  });
});

/** Processes that have this namespace among their arguments. */
function daemonsOf(netns: string): string[] {
  const { stdout } = spawnSync('pgrep', ['-f', `daemon .*${netns}`], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line !== '');
}

function serversIn(netns: string): number {
  const { stdout } = spawnSync('ip', ['netns', 'pids', netns], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line !== '').length;
}
