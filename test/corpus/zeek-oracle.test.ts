import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { corpus } from '../support/truth.ts';
import { compareFlows, type FlowDifference, ownFlows } from './zeek-compare.ts';
import { DEVIATING_FLOWS, ZEEK_EXCEPTIONS } from './zeek-exceptions.ts';
import { DEVIATIONS, type Deviation, zeekFlows } from './zeek-model.ts';
import { zeekPackets } from './zeek-packets.ts';

const files = corpus().filter(({ truth }) => truth.tshark_error === undefined);
const missing =
  files.length === 0
    ? ' (needs ../shared/pcaps)'
    : spawnSync('tshark', ['--version']).status !== 0
      ? ' (needs tshark)'
      : '';

const ALL = Object.keys(DEVIATIONS) as Deviation[];
const TIMES = new Set<FlowDifference['what']>(['start', 'end']);

describe.skipIf(missing !== '')(`conn_state and history of every shared capture${missing}`, () => {
  const states = new Set<string>();
  const letters = new Set<string>();
  const deviating = new Map<Deviation, Set<string>>(ALL.map((name) => [name, new Set()]));
  let flows = 0;

  describe.concurrent('are those of a model of Zeek, as are originator, packets, octets and times', () => {
    test.each(files)('$name', async ({ name, path, truth }) => {
      const packets = await zeekPackets(path);
      // No time of such a capture means anything.
      const hasTimes = truth.ts_invalid === 0 && truth.packets_without_ts === 0;
      for (const mode of ['plain', 'checksums'] as const) {
        const isFinal = mode === 'checksums';
        const ours = await ownFlows(path, isFinal);
        const model = zeekFlows(packets, ALL, isFinal);
        const found = compareFlows(ours, model).filter(({ what }) => hasTimes || !TIMES.has(what));
        const exception = ZEEK_EXCEPTIONS[name];
        if (exception === undefined || (exception.only ?? mode) !== mode) expect(found, mode).toEqual([]);
        else {
          expect(new Set(found.map(({ what }) => what)), mode).toEqual(new Set(exception.what));
          expect(new Set(found.map(({ key }) => key)).size, mode).toBe(exception.flows);
        }
        if (!isFinal) flows += ours.length;
        for (const { state, history } of ours) {
          states.add(state);
          for (const letter of history) letters.add(letter);
        }
        for (const each of ALL) {
          const others = ALL.filter((other) => other !== each);
          for (const { key } of compareFlows(model, zeekFlows(packets, others, isFinal)))
            deviating.get(each)!.add(`${name} ${key}`);
        }
      }
    });
  });

  test('every exception is of a capture, every deviation and every state and letter came up', () => {
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(ZEEK_EXCEPTIONS)));
    const counts = Object.fromEntries([...deviating].map(([name, keys]) => [name, keys.size]));
    expect(counts).toEqual(DEVIATING_FLOWS);
    expect([...letters].sort().join('')).toBe('ACDFGRST^acdfghirtw');
    expect([...states].sort().join(' ')).toBe('OTH REJ RSTO RSTR RSTRH S0 S1 S2 S3 SF SH SHR');
    expect(flows).toBe(3881);
  });
});
