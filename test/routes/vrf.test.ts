import { describe, expect, test } from 'vitest';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { decide } from './ask.ts';
import { addRule, kernelEngine } from './router.ts';

const VRF = 9;
const TABLE = 10;
const ROUTES = 'default via 10.9.1.2 dev d1\n10.5.0.0/16 via 10.9.0.2 dev d0 table 10';

/** d0 is a port of the VRF device red, whose table is 10. */
function withVrf(change: (snapshot: RouteSnapshot) => void = () => {}) {
  return kernelEngine(ROUTES, (snapshot) => {
    const d0 = snapshot.links.find(({ name }) => name === 'd0')!;
    snapshot.links.push({ ...d0, ifIndex: VRF, name: 'red', kind: 'vrf', vrfTable: TABLE });
    Object.assign(d0, { master: VRF, slaveKind: 'vrf' });
    addRule(snapshot, { family: 4, priority: 1000, l3mdev: true, table: 0 });
    snapshot.sysctls.interfaces.push({ ...snapshot.sysctls.interfaces[0]!, ifIndex: VRF });
    change(snapshot);
  });
}

/** No kernel at hand has the driver: these follow drivers/net/vrf.c (vrf_ip_rcv) and net/l3mdev/l3mdev.c, Linux 6.18. */
describe('a VRF', () => {
  const packet = { src: '10.9.0.2', dst: '10.5.1.1', type: 'Host', dev: 'd0' } as const;

  test('its ports look into its table', () => {
    expect(decide(withVrf(), packet)).toMatchObject({
      verdict: 'forward',
      rule: 1000,
      table: '10',
      prefix: '10.5.0.0/16',
    });
    expect(decide(withVrf(), { ...packet, src: '10.9.2.2', dev: 'd2' })).toMatchObject({ table: 'main' });
  });

  test('what comes in by a port goes on as coming in by the device', () => {
    const rule = (iif: string) => (snapshot: RouteSnapshot) =>
      addRule(snapshot, { family: 4, priority: 50, iif, action: 'prohibit' });
    expect(decide(withVrf(rule('red')), packet)).toMatchObject({ type: 'prohibit', rule: 50 });
    expect(decide(withVrf(rule('d0')), packet)).toMatchObject({ type: 'unicast', rule: 1000 });
  });

  test('the settings that count are those of the device', () => {
    const off = (index: number) => (snapshot: RouteSnapshot) => {
      for (const each of snapshot.sysctls.interfaces) if (each.ifIndex === index) each.forwarding4 = false;
    };
    expect(decide(withVrf(off(VRF)), packet)).toMatchObject({ verdict: 'drop' });
    expect(decide(withVrf(off(2)), packet)).toMatchObject({ verdict: 'forward' });
  });

  test('the device shows as leaving what came in by a port', () => {
    const seen = { ...packet, type: 'Outgoing', dev: 'red' } as const;
    expect(decide(withVrf(), seen)).toMatchObject({
      stage: 'input',
      verdict: 'forward',
      table: '10',
      observed: 'n/a',
      confidence: 'exact',
    });
  });

  test('what this host sends over it is sent', () => {
    const sent = { src: '10.9.0.1', dst: '10.5.1.1', type: 'Outgoing', dev: 'd0' } as const;
    expect(decide(withVrf(), sent)).toMatchObject({ stage: 'output', verdict: 'send', table: '10' });
  });
});
