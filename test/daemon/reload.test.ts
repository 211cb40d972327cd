import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Status } from '../../cli/status.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { UdpSocket } from '../kernel/traffic.ts';
import { nstap } from '../support/nstap.ts';
import { TestDaemon } from './test-daemon.ts';

const missing = labMissing();
const NOBODY = 65_534;

describe.skipIf(missing !== null)(
  `the configuration of a daemon that runs${missing ? ` (${missing})` : ''}`,
  () => {
    const lab = new Lab('load');
    const dir = mkdtempSync(join(tmpdir(), 'nsd-load-'));
    const config = join(dir, 'nstap.toml');
    let daemon: TestDaemon | undefined;

    beforeAll(() => chownSync(dir, NOBODY, NOBODY));
    afterEach(async () => {
      if (daemon && daemon.code === undefined) await daemon.end('SIGKILL');
    });
    afterAll(() => {
      lab.close();
      rmSync(dir, { recursive: true, force: true });
    });

    /** Two namespaces with a link, the second captured. */
    function pair(label: string): [a: string, b: string] {
      const [a, b] = [lab.add(`${label}a`), lab.add(`${label}b`)];
      lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
      lab.ip(a, 'neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev v0');
      return [a, b];
    }

    function start(name: string, text: string, ...flags: string[]): TestDaemon {
      writeFileSync(config, text);
      daemon = new TestDaemon(join(dir, `${name}.db`), ['--config', config, '--ring-mib', '8', ...flags]);
      return daemon;
    }

    /** Has it read another file. @returns the line of the log that answers */
    async function reload(d: TestDaemon, text: string): Promise<Record<string, unknown> | undefined> {
      const counts = ['reloaded', 'reload-failed'].map((event) => [event, d.events(event).length] as const);
      const answer = (): Record<string, unknown> | undefined =>
        counts.flatMap(([event, before]) => d.events(event).slice(before))[0];
      writeFileSync(config, text);
      d.child.kill('SIGHUP');
      await d.until('it has read the file', () => answer() !== undefined);
      return answer();
    }

    function status(name: string): Status {
      const { stdout, stderr } = nstap(['status', '--json', '--db', join(dir, `${name}.db`)]);
      if (stdout === '') throw new Error(stderr);
      return JSON.parse(stdout) as Status;
    }

    describe.each([1, 2])('with %i capture threads', (fanout) => {
      const threads = ['--fanout', String(fanout)];
      it('changes without a packet lost: what is sent while it is reloaded is decoded', {
        timeout: 120_000,
      }, async () => {
        const [a, b] = pair(`g${fanout}`);
        const c = lab.add(`gc${fanout}`);
        const file = (netns: string[], more = ''): string =>
          `[capture]\nnetns = ${JSON.stringify(netns)}\ninterfaces = ["v*"]\n${more}`;
        const d = start(`gap${fanout}`, file([b]), ...threads);
        await d.until('v0 is captured', () => d.events('capture-opened').length === 1);

        using socket = new UdpSocket(lab, a, 4, { address: '10.9.0.1', port: 6000 });
        let sent = 0;
        let isOver = false;
        const traffic = (async () => {
          while (!isOver) {
            socket.send('10.9.0.2', 7000, 100, 20);
            sent += 20;
            await sleep(1);
          }
        })();
        try {
          const changes: [string, string[]][] = [
            [file([b, c]), ['capture.netns']],
            [file([b, c], 'filter = "udp port 7000"\n'), ['capture.filter']],
            [
              file([b, c], 'filter = "udp"\nsnaplen = 128\n[flow]\ntimeouts = { udp = 50 }\n'),
              ['capture.filter', 'capture.snaplen', 'flow.timeouts'],
            ],
            [
              file([b], '[log]\nlevel = "debug"\n[routes]\naudit-rate = 1\n'),
              [
                'capture.netns',
                'capture.filter',
                'capture.snaplen',
                'flow.timeouts',
                'routes.audit-rate',
                'log.level',
              ],
            ],
            [file([b]).replace('v*', '*'), ['capture.interfaces', 'routes.audit-rate', 'log.level']],
          ];
          for (const [text, changed] of changes) {
            const from = sent;
            expect(await reload(d, text)).toMatchObject({ event: 'reloaded', changed });
            await until('some more is sent', () => sent > from + 1000);
            if (text.includes('snaplen'))
              await d.until('packets are cut', () => status(`gap${fanout}`).captures[0]!.truncated > 0);
          }
          await d.until('lo of it is captured, too', () => d.events('capture-opened').length === 2);
        } finally {
          isOver = true;
          await traffic;
        }
        await d.until('it has taken everything', () => status(`gap${fanout}`).captures[0]!.packets === sent);
        expect(await d.end()).toBe(0);
        const { captures, balanced } = status(`gap${fanout}`);
        expect(captures.map(({ netns, interface: name }) => [netns, name])).toEqual([
          [b, 'v0'],
          [b, 'lo'],
        ]);
        expect(captures[0]).toMatchObject({
          received: sent,
          packets: sent,
          decoded: sent,
          kernel_drops: 0,
          undecoded: 0,
          alive_flows: 0,
        });
        // Those that came while the snaplen was in force, of 142 octets.
        expect(captures[0]!.truncated).toBeGreaterThan(0);
        expect(captures[0]!.truncated).toBeLessThan(sent);
        expect(captures[0]!.cpu_ns).toBeGreaterThan(0);
        expect(balanced).toBe(true);
      });

      it('takes another filter at once, lets go what is not selected, and keeps all when the file is wrong', {
        timeout: 120_000,
      }, async () => {
        const [a, b] = pair(`f${fanout}`);
        const d = start(
          `filter${fanout}`,
          `[capture]\nnetns = "${b}"\nfilter = "udp port 7000"\n`,
          ...threads,
        );
        await d.until('both are captured', () => d.events('capture-opened').length === 2);
        using socket = new UdpSocket(lab, a, 4, { address: '10.9.0.1', port: 6000 });
        let taken = 0;
        const v0 = (): Status['captures'][number] | undefined =>
          status(`filter${fanout}`).captures.find(({ interface: name }) => name === 'v0');
        /** Three packets to one port and five to another, of which the daemon is to take so many. */
        const send = async (taking: number): Promise<void> => {
          socket.send('10.9.0.2', 7000, 10, 3);
          socket.send('10.9.0.2', 7001, 10, 5);
          taken += taking;
          await d.until(`it has taken ${taken} packets`, () => v0()?.packets === taken);
        };
        await send(3);
        const wrong = `[capture]\nnetns = "${b}"\nfilter = "udp port"\n[log]\nlevel = "debug"\n`;
        expect(await reload(d, wrong)).toMatchObject({
          event: 'reload-failed',
          reason: expect.stringMatching(/^filter "udp port": /),
        });
        expect(await reload(d, '[capture]\nring-mbi = 3')).toMatchObject({
          event: 'reload-failed',
          reason: `${config}:2: capture.ring-mbi: unknown key; did you mean capture.ring-mib?`,
        });
        await send(3);
        const other = `[capture]\nnetns = "${b}"\ninterfaces = "v0"\nfilter = "udp port 7001"\nring-total-mib = 99\n`;
        await reload(d, `${other}[flow]\nmax-flows = 5\nhints = true\n`);
        await d.until('it names the rest', () => d.events('reload-needs-restart').length > 0);
        expect(d.events('reload-needs-restart')).toMatchObject([
          { keys: ['capture.ring-total-mib', 'flow.max-flows', 'flow.hints'] },
        ]);
        await d.until('the filter is in force', () =>
          status(`filter${fanout}`).captures.some(({ filter }) => filter === 'udp port 7001'),
        );
        await d.until('lo is let go', () => d.events('capture-ended').length > 0);
        expect(d.events('capture-ended')).toMatchObject([
          { interface: 'lo', reason: 'not selected any more' },
        ]);
        await send(5);
        expect(await d.end()).toBe(0);
        expect(v0()).toMatchObject({
          filter: 'udp port 7001',
          packets: 11,
          received: 11,
          kernel_drops: 0,
        });
      });

      it('serves metrics that are those of the status', { timeout: 120_000 }, async () => {
        const [a, b] = pair(`m${fanout}`);
        const d = start(`metrics${fanout}`, `[capture]\nnetns = "${b}"\n`, '--metrics', '0', ...threads);
        await d.until('both are captured', () => d.events('capture-opened').length === 2);
        await d.until('metrics are served', () => d.events('metrics-listening').length === 1);
        const url = String(d.events('metrics-listening')[0]!.url);
        expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
        using socket = new UdpSocket(lab, a, 4, { address: '10.9.0.1', port: 6000 });
        for (let i = 0; i < 10; i++) socket.send('10.9.0.2', 7000 + i, 100, 7);
        lab.ip(b, 'route add 10.77.0.0/16 via 10.9.0.1');

        const values = async (): Promise<Map<string, number>> => {
          const text = await (await fetch(url)).text();
          return new Map(
            text.split('\n').flatMap((line) => {
              const [, series, value] = /^(nstap_\S+?(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
              return series === undefined ? [] : [[series, Number(value)] as const];
            }),
          );
        };
        const shown = (metrics: Map<string, number>, status: Status): [object, object] => {
          const of = (name: string, interfaceName: string, more = ''): number | undefined =>
            metrics.get(`nstap_${name}{netns="${b}",interface="${interfaceName}"${more}}`);
          const captures = status.captures.map(({ interface: name }) => name ?? '');
          const protocols = ['ipv4', 'ipv6', 'arp', 'other'];
          return [
            {
              captures: captures.map((name) => ({
                received: of('kernel_packets_received_total', name),
                kernel_drops: of('kernel_packets_dropped_total', name),
                packets: of('packets_received_total', name),
                bytes: of('received_bytes_total', name),
                decoded: protocols.reduce(
                  (n, p) => n + of('packets_decoded_total', name, `,protocol="${p}"`)!,
                  0,
                ),
                undecoded: of('packets_undecoded_total', name),
                duplicates: of('packets_duplicate_total', name),
                evicted_flows: of('flows_evicted_total', name),
                alive_flows: of('flows_alive', name),
                shed_records: of('records_shed_total', name, ',kind="flow"'),
              })),
              applied: metrics.get(`nstap_route_changes_applied_total{netns="${b}"}`),
              asked: metrics.get(`nstap_route_audits_total{netns="${b}"}`),
            },
            {
              captures: status.captures.map((c) => ({
                received: c.received,
                kernel_drops: c.kernel_drops,
                packets: c.packets,
                bytes: c.bytes,
                decoded: c.decoded,
                undecoded: c.undecoded,
                duplicates: c.duplicates,
                evicted_flows: c.evicted_flows,
                alive_flows: c.alive_flows,
                shed_records: c.shed_records,
              })),
              applied: status.namespaces[0]?.mirror?.applied,
              asked: status.namespaces[0]?.audit?.asked,
            },
          ];
        };
        const isThere = async (): Promise<boolean> =>
          (await values()).get(`nstap_packets_received_total{netns="${b}",interface="v0"}`)! >= 70;
        await expect.poll(isThere, { timeout: 30_000 }).toBe(true);
        // Each is up to a second old; both stand still at last.
        await expect
          .poll(
            async () => {
              const [metrics, stored] = shown(await values(), status(`metrics${fanout}`));
              return JSON.stringify(metrics) === JSON.stringify(stored) ? 'the same' : [metrics, stored];
            },
            { timeout: 30_000, interval: 300 },
          )
          .toBe('the same');
        const [metrics] = shown(await values(), status(`metrics${fanout}`));
        expect(metrics).toMatchObject({
          captures: expect.arrayContaining([expect.objectContaining({ alive_flows: 10 })]),
        });
        expect((await values()).get('nstap_storage_queue_capacity_batches')).toBe(64 * fanout);
        expect(await d.end()).toBe(0);
      });
    });
  },
);
