import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { labMissing, run } from '../kernel/lab.ts';
import { withDb } from '../storage/temp-db.ts';
import { childrenOf } from '../support/processes.ts';
import { DaemonLab } from './daemon-lab.ts';

const missing = labMissing('trafgen');
/** Each wait for the next engine is twice as long as the one before: 20 of them take minutes. */
const KILLS = Number(process.env.NSTAP_KILLS ?? 6);
const RATE = 20_000;

interface CaptureTimes {
  packets: number;
  decoded: number;
  drops: number;
  first: bigint | null;
  last: bigint | null;
}

interface Gap {
  from: bigint;
  to: bigint;
  reason: string;
  interface: string;
}

describe.skipIf(missing !== null)(
  `an engine that is killed under load${missing ? ` (${missing})` : ''}`,
  () => {
    const lab = new DaemonLab('kill');
    afterEach(() => lab.endDaemon());
    afterAll(() => lab.close());

    test.each([
      { fanout: 1, kills: KILLS },
      { fanout: 3, kills: Math.ceil(KILLS / 2) },
    ])(
      '$kills times, --fanout $fanout: what is not counted lies in a gap that is noted, and nothing else is missing',
      {
        timeout: 600_000,
      },
      async ({ fanout, kills }) => {
        const [a, b] = [lab.add(`a${fanout}`), lab.add(`b${fanout}`)];
        lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
        const { d, db } = lab.daemon(
          { netns: [b], interfaces: ['v0'], filter: 'udp port 9', checkpointSec: 1, ringMib: 32, fanout },
          'real',
        );
        const opened = (n: number): Promise<void> =>
          d.until(`opened ${n} times`, () => d.events('capture-opened').length === n);
        await opened(1);
        // The oracle: times and number of all packets, of which the daemon must have those outside of its gaps.
        const file = join(lab.dir, `oracle${fanout}.pcap`);
        const words = [
          '-i',
          'v0',
          '-w',
          file,
          '-B',
          '32768',
          '-s',
          '64',
          '--nano',
          '--immediate-mode',
          '-U',
          'udp port 9',
        ];
        const tcpdump = lab.start(b, 'tcpdump', ...words);
        let said = '';
        tcpdump.stderr!.on('data', (chunk) => (said += chunk));
        await d.until('tcpdump listens', () => said.includes('listening'));
        const mac = lab.exec(b, 'cat', '/sys/class/net/v0/address').trim();
        const packet = `{ eth(da=${mac}), ipv4(saddr=10.9.0.1, saddr[3]=drnd(64, 127), daddr=10.9.0.2, ttl=64), udp(sport=drnd(1024, 1200), dport=9), fill(0x41, 18) }`;
        const trafgen = lab.start(a, 'trafgen', '-q', '-P', '1', '-b', `${RATE}pps`, '-o', 'v0', packet);
        for (let i = 1; i <= kills; i++) {
          const isCounted = (): boolean => counted(db).length === i && counted(db).at(-1)!.last !== null;
          await d.until('packets of this engine are counted', isCounted);
          const [engine] = childrenOf(d.child.pid!);
          process.kill(engine!, 'SIGKILL');
          await opened(i + 1);
        }
        await d.until(
          'packets of the last engine are counted',
          () => counted(db).length === kills + 1 && counted(db).at(-1)!.last !== null,
        );
        // It is two processes, and the one that sends does not end with its parent.
        const ended = once(trafgen, 'exit');
        for (const pid of run('ip', 'netns', 'pids', a).trim().split('\n'))
          process.kill(Number(pid), 'SIGINT');
        await ended;
        // What it has received by then it drops when it is told to end.
        for (let before = -1; statSync(file).size !== before; await sleep(300)) before = statSync(file).size;
        tcpdump.kill('SIGINT');
        await once(tcpdump, 'exit');
        expect(await d.end()).toBe(0);

        expect(said).toMatch(/^0 packets dropped by kernel$/m);
        const times = execFileSync('tcpdump', ['-r', file, '-tt', '-nn', '--nano'], {
          encoding: 'utf8',
          maxBuffer: 2 ** 30,
          stdio: ['ignore', 'pipe', 'ignore'],
        })
          .trimEnd()
          .split('\n')
          .map(timeOf);
        const captures = counted(db);
        const gaps = withDb(db, (reader) =>
          reader
            .prepare<[], Gap>('SELECT from_ns AS "from", to_ns AS "to", reason, interface FROM capture_gaps')
            .safeIntegers()
            .all(),
        );
        expect(captures).toHaveLength(kills + 1);
        expect(gaps).toHaveLength(kills);
        let expected = 0;
        for (const [i, { packets, decoded, drops, first, last }] of captures.entries()) {
          expect([decoded, drops]).toEqual([packets, 0]);
          // Equal: the kernel stamps a packet once for all its packet sockets.
          const between = times.filter((time) => time >= first! && time <= last!).length;
          // Of several threads, all that had counted more than the slowest are in the gap, too.
          if (fanout === 1) expect(packets, `packets of capture ${i}`).toBe(between);
          else expect(packets, `packets of capture ${i}`).toBeGreaterThanOrEqual(between);
          expected += packets;
        }
        for (const [i, gap] of gaps.entries())
          expect(gap).toEqual({
            from: captures[i]!.last,
            to: captures[i + 1]!.first,
            reason: 'engine ended by SIGKILL',
            interface: 'v0',
          });
        const lost = times.filter((time) => gaps.some(({ from, to }) => time > from && time < to)).length;
        if (fanout === 1) expect(expected + lost).toBe(times.length);
        else expect(expected + lost).toBeGreaterThanOrEqual(times.length);
        expect(withDb(db, (reader) => reader.pragma('integrity_check', { simple: true }))).toBe('ok');
        process.stdout.write(`sent ${times.length}, counted ${expected}, in ${kills} gaps ${lost}\n`);
      },
    );
  },
);

function counted(db: string): CaptureTimes[] {
  return withDb(db, (reader) =>
    reader
      .prepare<[], { [K in keyof CaptureTimes]: bigint | null }>(
        `SELECT packets, decoded_ipv4 + undecoded AS decoded, kernel_drops AS drops, first_ns AS first, last_ns AS last
         FROM captures ORDER BY capture_id`,
      )
      .safeIntegers()
      .all()
      .map((row) => ({
        packets: Number(row.packets),
        decoded: Number(row.decoded),
        drops: Number(row.drops),
        first: row.first,
        last: row.last,
      })),
  );
}

/** Of a line of `tcpdump -tt --nano`: "1764.123456789 IP …". */
function timeOf(line: string): bigint {
  const [, sec, nsec] = /^(\d+)\.(\d{9}) /.exec(line)!;
  return BigInt(sec!) * 1_000_000_000n + BigInt(nsec!);
}
