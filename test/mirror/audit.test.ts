import { describe, expect, test } from 'vitest';
import { RouteAudit } from '../../daemon/mirror/audit.ts';
import type { RouteSample } from '../../daemon/mirror/messages.ts';
import { SyscallError } from '../../daemon/kernel/errors.ts';
import { NetlinkError, NetlinkFormatError } from '../../daemon/netlink/errors.ts';
import type { RouteMirror } from '../../daemon/routes/mirror.ts';
import type { KernelAnswer } from '../../daemon/routes/verify.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { decide } from '../routes/ask.ts';
import { ModelMirror, modelRoute } from '../routes/model-mirror.ts';

const KERNEL: KernelAnswer = {
  type: 'unicast',
  table: 'main',
  prefix: '10.5.0.0/16',
  gateway: '10.0.0.2',
  dev: 'd2',
  error: null,
  text: '10.5.0.0/16 via 10.0.0.2 dev d2',
};

/** What an audit asks of a mirror. */
class FakeMirror {
  netns = 'a';
  hasChanged = false;
  suspected = 0;
  answer: KernelAnswer | Error = KERNEL;
  ask(): KernelAnswer {
    if (this.answer instanceof Error) throw this.answer;
    return this.answer;
  }
  linkName(ifIndex: number): string | null {
    return ifIndex === 2 ? 'd2' : null;
  }
  suspect(): void {
    this.suspected++;
  }
}

function sampleOf(via: string, more: Partial<RouteSample> = {}): RouteSample {
  const mirror = new ModelMirror();
  mirror.reload([modelRoute('10.5.0.0/16', { via })]);
  const engine = new RouteEngine(mirror.snapshot());
  return {
    netnsId: 'n',
    version: 4,
    dst: Uint8Array.of(10, 5, 0, 1),
    src: Uint8Array.of(10, 0, 0, 9),
    iifIndex: 2,
    tos: 0,
    proto: 0,
    sport: 0,
    dport: 0,
    decision: decide(engine, { src: '10.0.0.9', dst: '10.5.0.1', type: 'Host', dev: 'd2' }),
    compared: { version: 4, isInput: true, isMerged: true },
    others: [],
    ...more,
  };
}

const RIGHT = sampleOf('10.0.0.2');
const WRONG = sampleOf('10.0.0.3');

function setUp() {
  const clock = { ms: 100_000 };
  const audit = new RouteAudit(() => clock.ms);
  const mirror = new FakeMirror();
  const ask = (sample: RouteSample) => audit.ask(sample, mirror as unknown as RouteMirror);
  return { clock, audit, mirror, ask };
}

describe('an audit', () => {
  test('counts what agrees, what does not, and what cannot be asked', () => {
    const { audit, mirror, ask } = setUp();
    expect(ask(RIGHT)).toBeNull();
    expect(ask(WRONG)).toMatchObject({ decision: { gateway: '10.0.0.3' }, kernel: KERNEL, untold: 0 });
    expect(ask({ ...WRONG, others: [RIGHT.decision!] })).toBeNull();
    expect(ask({ ...WRONG, decision: null })).toBeNull();
    const format = new NetlinkFormatError('x', 0);
    for (const error of [
      new NetlinkError('RTM_GETROUTE', 'x', 22, 1, 'no'),
      new SyscallError('recv', 'netlink', 100),
      format,
    ]) {
      mirror.answer = error;
      expect(ask(WRONG)).toBeNull();
    }
    expect(mirror.suspected).toBe(1);
    expect(audit.counts('n')).toEqual({ asked: 3, agreed: 2, disagreed: 1, unasked: 4 });
  });

  test('calls nothing a disagreement while tables change, and for a second after', () => {
    const { clock, audit, mirror, ask } = setUp();
    mirror.hasChanged = true;
    expect(ask(WRONG)).toBeNull();
    mirror.hasChanged = false;
    audit.changed('n');
    clock.ms += 1000;
    expect(ask(WRONG)).toBeNull();
    expect(ask(RIGHT)).toBeNull();
    expect(audit.counts('n')).toEqual({ asked: 1, agreed: 1, disagreed: 0, unasked: 2 });
    clock.ms += 1;
    expect(ask(WRONG)).not.toBeNull();
  });

  test('tells ten disagreements a minute and namespace, and how many it did not tell', () => {
    const { clock, audit, ask } = setUp();
    const told = Array.from({ length: 25 }, () => ask(WRONG)).filter((each) => each !== null);
    expect(told.map(({ untold }) => untold)).toEqual(new Array(10).fill(0));
    expect(ask({ ...WRONG, netnsId: 'other' })).toMatchObject({ untold: 0 });
    clock.ms += 60_000;
    expect(ask(WRONG)).toMatchObject({ untold: 15 });
    expect(ask(WRONG)).toMatchObject({ untold: 0 });
    expect(audit.counts('n')).toMatchObject({ disagreed: 27 });
    audit.remove('n');
    expect(audit.counts('n')).toMatchObject({ disagreed: 0 });
  });

  test.each([
    ['a', {}, 'ip -n a route get fibmatch 10.5.0.1 from 10.0.0.9 iif d2'],
    ['host', {}, 'ip route get fibmatch 10.5.0.1 from 10.0.0.9 iif d2'],
    [
      '/proc/7/ns/net',
      {},
      'nsenter --net=/proc/7/ns/net ip route get fibmatch 10.5.0.1 from 10.0.0.9 iif d2',
    ],
    ['a', { iifIndex: 9 }, 'ip -n a route get fibmatch 10.5.0.1 from 10.0.0.9 iif if9'],
    [
      'a',
      { src: new Uint8Array(4), iifIndex: 0, tos: 16, proto: 17, sport: 1, dport: 2 },
      'ip -n a route get fibmatch 10.5.0.1 uid 0 tos 0x10 ipproto 17 sport 1 dport 2',
    ],
    [
      'a',
      { version: 6, dst: new Uint8Array(16).fill(1), src: new Uint8Array(16) },
      'ip -6 -n a route get fibmatch 101:101:101:101:101:101:101:101 iif d2',
    ],
  ] as [string, Partial<RouteSample>, string][])(
    'in %s gives the command to ask again (%#)',
    (netns, more, command) => {
      const { mirror, ask } = setUp();
      mirror.netns = netns;
      expect(ask({ ...WRONG, ...more })?.command).toBe(command);
    },
  );
});
