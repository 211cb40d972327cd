import { describe, expect, it } from 'vitest';
import type { CaptureRequest, TapWish } from '../../daemon/capture/capture-messages.ts';
import { PacketTap } from '../../daemon/capture/packet-tap.ts';
import { PacketFeeds } from '../../daemon/packet-feeds.ts';
import { Questions } from '../../daemon/questions.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import type { CaptureInfo } from '../../storage/messages.ts';
import { decision } from '../cli/tail/packets.ts';

const WANTED = { selection: { netns: '', interface: '' }, filter: null, snapLen: 256 };

/** Feeds of a capture thread that answers at once, or not at all. */
function feeds(answers = true) {
  const requests: CaptureRequest[] = [];
  const questions = new Questions();
  const captures = new Map([[3, { index: 3, netns: 'red', interface: 'v0' } as CaptureInfo]]);
  const all = new PacketFeeds(questions, captures, (request) => {
    requests.push(request);
    if (answers && 'request' in request) questions.answer(request.request, null);
  });
  const wish = (): TapWish => (requests.find(({ type }) => type === 'tap') as { wish: TapWish }).wish;
  return { all, requests, wish };
}

describe('the feeds of those who watch packets', () => {
  it('have 64 MiB together, of which an ended one has none', async () => {
    const { all, requests } = feeds();
    const whole = { ...WANTED, snapLen: 65_535 };
    const opened = [];
    for (let i = 0; i < 8; i++) opened.push(await all.open(whole));
    await expect(all.open(WANTED)).rejects.toMatchObject({ code: 'CONTROL_BUSY' });
    await opened[0]!.end();
    await opened[0]!.end();
    for (let i = 0; i < 8; i++) await all.open(WANTED);
    await expect(all.open(WANTED)).rejects.toMatchObject({ code: 'CONTROL_BUSY' });
    expect(requests.filter(({ type }) => type === 'untap')).toHaveLength(1);
  });

  it('give packets with their names, and each decision once for all that have it', async () => {
    const { all, wish } = feeds();
    const feed = await all.open(WANTED);
    const routes = [decision(), decision({ type: 'blackhole', verdict: 'drop', text: 'x'.repeat(500) })];
    let i = 0;
    const tap = new PacketTap(wish().shared, () => routes[i % 2]!, null);
    const f = new PacketFields();
    Object.assign(f, { captureIndex: 3, status: Status.Ok, ipVersion: 4, wireLen: 60, strippedTci: 0xffff });
    for (const index of [3, 4]) tap.want(index, true);
    for (; i < 3; i++) tap.offer(new DataView(new ArrayBuffer(60)), 0, 60, f);
    f.captureIndex = 4;
    f.ipVersion = 0;
    f.strippedTci = -1;
    tap.offer(new DataView(new ArrayBuffer(60)), 0, 60, f);
    const { packets, routes: told } = feed.take(10, 1e6);
    expect(
      packets.map(({ netns, interface: name, routeIndex, verdict, packetType, vlanTci }) => [
        netns,
        name,
        routeIndex,
        verdict,
        packetType,
        vlanTci,
      ]),
    ).toEqual([
      ['red', 'v0', 1, 'forward', 255, 0xffff],
      ['red', 'v0', 2, 'drop', 255, 0xffff],
      ['red', 'v0', 1, 'forward', 255, 0xffff],
      // Of a capture that is long gone.
      ['', '', 0, '', 255, 0],
    ]);
    expect(told).toEqual([routes[0], { ...routes[1], text: 'x'.repeat(192) }]);
    expect(feed.takeCounts()).toEqual({ matched: 4, skipped: 0 });
  });
});
