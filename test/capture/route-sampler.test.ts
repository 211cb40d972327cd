import { expect, test } from 'vitest';
import { RouteSampler } from '../../daemon/capture/route-sampler.ts';
import { RouteTagger } from '../../daemon/capture/route-tag.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { packetQuery } from '../routes/ask.ts';
import { ModelMirror, modelRoute } from '../routes/model-mirror.ts';
import { frame } from '../support/frames.ts';

const mirror = new ModelMirror();
mirror.reload([modelRoute('10.5.0.0/16', { via: '10.0.0.2' }), modelRoute('fd05::/16', { via: 'fd00::2' })]);
const engine = new RouteEngine(mirror.snapshot());
const QUESTION = packetQuery(engine, {
  src: '10.0.0.9',
  dst: '10.5.0.1',
  type: 'Host',
  dev: 'd2',
  proto: 17,
  sport: 5000,
  dport: 53,
  tos: 8,
});

test('takes so many a second and namespace, whatever the order in which interfaces are drained', () => {
  const sampler = new RouteSampler(3);
  const taken = (seconds: number[], netnsId = 'n'): number => {
    for (const sec of seconds) sampler.offer(netnsId, engine, QUESTION, sec);
    return sampler.take().length;
  };
  expect(taken([10, 10, 10, 10, 10])).toBe(3);
  expect(taken([10], 'other')).toBe(1);
  expect(taken([11, 10, 11, 10, 11, 10, 11, 9, 11])).toBe(3);
  expect(taken([12])).toBe(1);
  // A clock that was set back.
  expect(taken([5, 5, 5, 5])).toBe(3);
  sampler.remove('n');
  expect(taken([5])).toBe(1);
  expect(sampler.take()).toEqual([]);
});

test('takes none at rate 0', () => {
  const sampler = new RouteSampler(0);
  sampler.offer('n', engine, QUESTION, 10);
  expect(sampler.take()).toEqual([]);
});

test('puts the question in the form in which the kernel is asked, of what comes in and of what is sent', () => {
  const sampler = new RouteSampler(100);
  const sampleOf = (packet: Parameters<typeof packetQuery>[1]) => {
    sampler.offer('n', engine, packetQuery(engine, packet), 1);
    return sampler.take()[0]!;
  };
  expect(
    sampleOf({
      src: '10.0.0.9',
      dst: '10.5.0.1',
      type: 'Host',
      dev: 'd2',
      proto: 17,
      sport: 5000,
      dport: 53,
      tos: 8,
    }),
  ).toMatchObject({
    version: 4,
    dst: Uint8Array.of(10, 5, 0, 1),
    src: Uint8Array.of(10, 0, 0, 9),
    iifIndex: 2,
    tos: 8,
    proto: 17,
    sport: 5000,
    dport: 53,
    decision: { stage: 'input', gateway: '10.0.0.2', observed: 'n/a' },
    compared: { isInput: true },
  });
  expect(sampleOf({ src: '10.0.0.1', dst: '10.5.0.1', type: 'Outgoing', dev: 'd2', proto: 1 })).toMatchObject(
    {
      iifIndex: 0,
      proto: 0,
      decision: { stage: 'output', observed: 'n/a', dev: 'd2' },
      compared: { isInput: false },
    },
  );
  // What is forwarded is asked of where it came in, which is not known where it leaves.
  expect(sampleOf({ src: '10.0.0.9', dst: '10.5.0.1', type: 'Outgoing', dev: 'd2' }).decision).toBeNull();
  expect(sampleOf({ src: '10.0.0.9', dst: '10.5.0.1', type: 'OtherHost', dev: 'd2' }).decision).toBeNull();
  expect(sampleOf({ src: 'fd00::9', dst: 'ff02::1', type: 'Host', dev: 'd2' }).decision).toBeNull();
  expect(sampleOf({ src: 'fd00::9', dst: 'fd05::1', type: 'Host', dev: 'd2' })).toMatchObject({
    version: 6,
    decision: { gateway: 'fd00::2', prefix: 'fd05::/16' },
  });
});

test('takes none while changes of the tables are known and not in force', () => {
  const tagger = new RouteTagger(100);
  tagger.setCapture(0, 'n', 2);
  tagger.setRoutes('n', engine);
  const f = new PacketFields();
  const bytes = frame({ proto: 'udp', src: '10.0.0.9', dst: '10.5.0.1' });
  const view = new DataView(bytes.buffer);
  f.linkType = 1;
  f.wireLen = bytes.length;
  decodePacket(view, 0, bytes.length, f);
  const taken = [false, true, false].map((isBehind) => {
    tagger.setBehind('n', isBehind);
    tagger.tag(view, f);
    return tagger.sampler.take().length;
  });
  expect(taken).toEqual([1, 0, 1]);
});
