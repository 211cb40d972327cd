import { describe, expect, test } from 'vitest';
import { TICK_NS } from '../../daemon/flow/ticks.ts';
import { frame as frameOf } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';
import { segment } from '../support/segments.ts';

/** Feeds packets, each its `wait` microseconds behind the one before, from a whole second on. */
function feed(m: TestMeter, packets: readonly string[], sec = 1000): void {
  let micros = 0;
  for (const text of packets) {
    const { spec, wait } = segment(text);
    micros += wait;
    m.feed(spec, sec + Math.floor(micros / 1e6), (micros % 1e6) * 1000);
  }
}

/** The shortest times of a single flow, in microseconds; null: none. */
function times(packets: readonly string[]): (number | null)[] {
  const m = new TestMeter();
  feed(m, packets);
  const flows = m.finishWhole();
  expect(flows).toHaveLength(1);
  return flows[0]!.tcp!.tsRtt.map((ns) => (ns < 0 ? null : ns / 1000));
}

/** To the microsecond that `micros` are kept as: ticks, of which one in 2048 may be missing. */
function about(micros: number): unknown {
  return expect.toSatisfy(
    (got: number) =>
      got <= micros + TICK_NS / 1000 && got >= micros - micros / 2048 - (2 * TICK_NS) / 1000 && got >= 0,
    `${micros} us`,
  );
}

describe('round trips by timestamps', () => {
  test('are known of each half of a connection under way', () => {
    expect(
      times([
        'c A seq=1 pay=10 ts=100 ecr=900',
        's A seq=1 ack=11 ts=901 ecr=100 wait=50',
        'c A seq=11 ack=1 pay=10 ts=105 ecr=901 wait=20000',
        's A seq=1 ack=21 pay=10 ts=908 ecr=105 wait=3000',
        'c A seq=21 ack=11 ts=112 ecr=908 wait=400',
      ]),
    ).toEqual([about(3000), about(400)]);
  });

  test('need no data in one direction: the echo of an ACK is in the data that follow', () => {
    expect(
      times([
        's A seq=1 pay=1000 ts=900 ecr=100 sport=80',
        'c A seq=1 ack=1001 ts=101 ecr=900',
        's A seq=1001 pay=1000 ts=910 ecr=101 wait=7000',
        'c A seq=1 ack=2001 ts=117 ecr=910 wait=250',
        's A seq=2001 pay=1000 ts=920 ecr=117 wait=6000',
      ]),
    ).toEqual([about(6000), about(250)]);
  });

  test('begin at the first segment with a timestamp, and end at the first echo', () => {
    expect(
      times([
        'c A seq=1 pay=10 ts=100 ecr=900',
        'c A seq=11 pay=10 ts=101 ecr=900 wait=1000',
        'c A seq=21 pay=10 ts=101 ecr=900 wait=500',
        's A seq=1 ack=21 ts=901 ecr=101 wait=700',
        's A seq=1 ack=31 ts=901 ecr=101 wait=10',
      ]),
    ).toEqual([about(1200), null]);
  });

  test('are the shortest, and never those of a timestamp whose first segment was not waited for', () => {
    expect(
      times([
        'c A seq=1 pay=10 ts=100 ecr=900',
        'c A seq=11 pay=10 ts=101 ecr=900',
        // Sent while the echo of 101 is waited for, and again behind it.
        'c A seq=21 pay=10 ts=102 ecr=900 wait=1000',
        's A seq=1 ack=21 ts=901 ecr=101 wait=1000',
        'c A seq=31 pay=10 ts=102 ecr=901 wait=900',
        's A seq=1 ack=41 ts=902 ecr=102 wait=100',
      ]),
    ).toEqual([about(2000), null]);
  });

  test('are not taken from an echo that passed the timestamp over, nor from one sent again', () => {
    expect(
      times([
        'c A seq=1 pay=10 ts=100 ecr=900',
        // Lost behind the capture: what is echoed is its repetition, with a timestamp of its own.
        'c A seq=11 pay=10 ts=101 ecr=900',
        'c A seq=11 pay=10 ts=301 ecr=900 wait=200000',
        's A seq=1 ack=21 ts=901 ecr=301 wait=1500',
        'c A seq=21 pay=10 ts=305 ecr=901 wait=10',
        's A seq=1 ack=31 ts=902 ecr=305 wait=1600',
      ]),
    ).toEqual([about(1600), null]);
  });

  test('wrap with the timestamps', () => {
    expect(
      times([
        'c A seq=1 pay=10 ts=4294967295 ecr=900',
        'c A seq=11 pay=10 ts=3 ecr=900',
        's A seq=1 ack=21 ts=901 ecr=3 wait=800',
      ]),
    ).toEqual([about(800), null]);
  });

  test('are read from any layout of options, and from none that is cut off', () => {
    const m = new TestMeter();
    const at = (nsec: number, ts: number, from: 'c' | 's', keep = 1000): void => {
      const { spec } = segment(`${from} A seq=1 pay=9`);
      const odd = [5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, from === 'c' ? ts : 1, 0, 0, 0, ts, 1, 1];
      const bytes = frameOf({ ...spec, options: [...odd, 1, 0] });
      m.feed(bytes.slice(0, keep), 5, nsec, 0, bytes.length);
    };
    at(0, 1, 'c');
    at(1000, 2, 'c');
    at(3000, 2, 's', 14 + 20 + 20 + 15);
    at(9000, 2, 's');
    expect(m.finishWhole()[0]!.tcp!.tsRtt[0]).toBe(16 * TICK_NS);
  });

  test('are not taken where the handshake was seen, and not from before a late SYN', () => {
    const data = [
      'c A seq=101 ack=901 pay=10 ts=100 ecr=900',
      'c A seq=111 ack=901 pay=10 ts=101 ecr=900',
      's A seq=901 ack=121 ts=901 ecr=101 wait=800',
    ];
    expect(times(['c S seq=100', 's SA seq=900 ack=101', 'c A seq=101 ack=901', ...data])).toEqual([
      null,
      null,
    ]);
    expect(times([...data, 'c S seq=100 ts=90'])).toEqual([null, null]);
  });

  test('of more flows at once than are waited for are taken in turns', () => {
    const m = new TestMeter({ maxFlows: 1 << 12 });
    const flows = 200; // for 64 entries
    for (let sec = 0; sec < 8; sec++)
      for (let i = 0; i < flows; i++) {
        const ports = `sport=${20_000 + i}`;
        const ts = sec * 10;
        feed(m, [`c A seq=1 pay=10 ts=${ts} ecr=900 ${ports} wait=${i}`], 1000 + sec);
        feed(m, [`c A seq=11 pay=10 ts=${ts + 1} ecr=900 ${ports} wait=${1000 + i}`], 1000 + sec);
        feed(m, [`s A seq=1 ack=21 ts=901 ecr=${ts + 1} d${ports.slice(1)} wait=${3000 + i}`], 1000 + sec);
      }
    const all = m.finishWhole();
    expect(all).toHaveLength(flows);
    for (const { tcp } of all) expect(tcp!.tsRtt[0] / 1000).toEqual(about(2000));
  });
});
