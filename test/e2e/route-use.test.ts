import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { UseCounts } from '../../cli/route-use.ts';
import { DaemonLab } from '../daemon/daemon-lab.ts';
import { labMissing } from '../kernel/lab.ts';
import { sendUdp } from '../kernel/traffic.ts';
import { nstap } from '../support/nstap.ts';

const missing = labMissing();

interface Counted {
  routes: {
    prefix: string;
    type: string;
    use: UseCounts & Record<'output' | 'forward' | 'input', UseCounts>;
  }[];
  use: {
    gone: { decision: { text: string }; use: UseCounts }[];
    other: { decision: { type: string }; use: UseCounts }[];
  };
}

describe.skipIf(missing !== null)(`routes with counters of a daemon${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('ruse');
  afterEach(() => lab.endDaemon());
  afterAll(() => lab.close());

  test('are the packets that were sent, though the router sees what it forwards twice', async () => {
    const [a, r, b] = [lab.add('a'), lab.add('r'), lab.add('b')];
    lab.veth(a, 'v0', '10.1.0.2/24', r, 'c0', '10.1.0.1/24');
    lab.veth(r, 's0', '10.2.0.1/24', b, 'v0', '10.2.0.2/24');
    lab.ip(a, 'route add default via 10.1.0.1');
    lab.ip(b, 'route add default via 10.2.0.1');
    lab.sysctl(r, 'net.ipv4.ip_forward=1');
    lab.ip(r, 'route add blackhole 10.66.0.0/16');
    lab.ip(r, 'route add 10.70.0.0/16 via 10.2.0.2');
    const { d, db } = lab.daemon({ netns: [a, r], interfaces: ['!lo'] }, 'real');
    await d.opened(3);
    const SIZE = 100;
    // Two flows forwarded, one to the router itself, one dropped, one by a route that is deleted, one by none.
    const sent: [host: string, port: number, packets: number][] = [
      ['10.2.0.2', 9, 5],
      ['10.2.0.2', 10, 7],
      ['10.1.0.1', 9, 3],
      ['10.66.0.1', 9, 11],
      ['10.70.0.1', 9, 13],
      ['10.99.0.1', 9, 17],
    ];
    for (const [host, port, packets] of sent) sendUdp(lab, a, host, port, SIZE, packets);
    await sleep(300);
    const then = new Date().toISOString();
    await sleep(300);
    lab.ip(r, 'route del 10.70.0.0/16');
    expect(await d.end()).toBe(0);

    const counted = (netns: string): Counted =>
      JSON.parse(nstap(['routes', '--netns', netns, '--db', db, '--json']).stdout) as Counted;
    // Ethernet 14, IPv4 20, UDP 8.
    const of = (flows: number, packets: number): UseCounts => ({
      flows,
      packets,
      bytes: packets * (SIZE + 42),
    });
    const router = counted(r);
    const use = (prefix: string) => router.routes.find((route) => route.prefix === prefix)!.use;
    expect(use('10.2.0.0/24')).toMatchObject({
      ...of(2, 12),
      forward: of(2, 12),
      output: of(0, 0),
      input: of(0, 0),
    });
    expect(use('10.1.0.1/32')).toMatchObject({ ...of(1, 3), input: of(1, 3) });
    expect(use('10.66.0.0/16')).toMatchObject({ ...of(1, 11), input: of(1, 11) });
    expect(router.use.gone).toMatchObject([
      { decision: { text: '10.70.0.0/16 via 10.2.0.2 dev s0' }, use: of(1, 13) },
    ]);
    expect(router.use.other).toMatchObject([{ decision: { type: 'no_route' }, use: of(1, 17) }]);
    // The sender: all that leaves by its default, and what stays in its own net.
    const sender = counted(a);
    const own = (prefix: string) => sender.routes.find((route) => route.prefix === prefix)!.use;
    expect(own('0.0.0.0/0')).toMatchObject({ ...of(5, 53), output: of(5, 53) });
    expect(own('10.1.0.0/24')).toMatchObject({ ...of(1, 3), output: of(1, 3) });

    // The tables as they were before the route was deleted, from the history that the daemon kept.
    const past = nstap(['routes', '--netns', r, '--db', db, '--at', then, '--counters']);
    expect(past.stdout).toMatch(
      /^ {2}10\.70\.0\.0\/16 via 10\.2\.0\.2 dev s0 +# 1 flow, 1\.8 kB: forward 1 fwd$/m,
    );
    expect(past.stdout).not.toContain('not in the tables now');
    expect(past.stderr).toContain(` until ${then.replace('Z', '000000Z')} in ${db}`);
  });
});
