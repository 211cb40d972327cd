import { execFileSync } from 'node:child_process';
import { afterAll, describe, expect, test } from 'vitest';
import { labMissing, until } from '../kernel/lab.ts';
import { readFlows } from '../storage/temp-db.ts';
import { DaemonLab } from './daemon-lab.ts';
import { Talkers } from './talkers.ts';

/** Why a NAT cannot be made here, or null. */
function natMissing(): string | null {
  const rules =
    'add table ip n; add chain ip n p { type nat hook postrouting priority 100; }; add rule ip n p masquerade';
  try {
    execFileSync('unshare', ['--net', 'nft', rules], { stdio: 'ignore' });
    return null;
  } catch {
    return 'needs nft, and NAT in the kernel';
  }
}
const missing = labMissing() ?? natMissing();

describe.skipIf(missing !== null)(`IPv4 identifications${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('ipid');

  afterAll(async () => {
    await lab.endDaemon();
    lab.close();
  });

  test('are the same before and after a NAT, so that flows can be told to be one', {
    timeout: 90_000,
  }, async () => {
    const [client, nat, server] = [lab.add('client'), lab.add('nat'), lab.add('server')];
    lab.veth(client, 'v0', '10.9.1.1/24', nat, 'in0', '10.9.1.254/24');
    lab.veth(nat, 'out0', '10.9.2.254/24', server, 'v0', '10.9.2.1/24');
    lab.ip(client, 'route add default via 10.9.1.254');
    lab.sysctl(nat, 'net.ipv4.ip_forward=1');
    lab.exec(nat, 'nft', 'add table ip n; add chain ip n p { type nat hook postrouting priority 100; }');
    lab.exec(nat, 'nft', 'add rule ip n p oifname out0 masquerade random');
    const { d, db } = lab.daemon({ netns: [client, server], interfaces: ['v0'], filter: 'tcp' }, 'real');
    await d.opened(2);
    const talkers = await Talkers.start(lab, client, server, '10.9.2.1', 7001, 8);
    await talkers.stop();
    await until(
      'all flows are in the database',
      () => {
        const states = readFlows(db).map((flow) => flow.connState);
        return states.length === 16 && states.every((state) => state === 'SF');
      },
      60_000,
    );
    expect(await d.end()).toBe(0);
    const ids = (netns: string, from: string): string[] =>
      readFlows(db)
        .filter((flow) => flow.netns === netns && flow.src.join('.') === from)
        .map((flow) => `${flow.ipIdFwd} ${flow.ipIdRev}`)
        .sort();
    const before = ids(client, '10.9.1.1');
    expect(before).toHaveLength(8);
    expect(ids(server, '10.9.2.254')).toEqual(before);
    // Linux begins each connection with another one; two in 65,536 may be the same.
    expect(new Set(before.map((pair) => pair.split(' ')[0])).size).toBeGreaterThan(5);
  });
});
