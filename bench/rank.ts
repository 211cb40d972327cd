import { parseFilter } from '../cli/filter/parse.ts';
import { Meter } from '../daemon/capture/meter.ts';
import { openSlab } from '../daemon/flow/slab.ts';
import { threadCpuNs } from '../daemon/kernel/thread-clock.ts';
import { FlowActivity } from '../daemon/rank/activity.ts';
import { KnownDecisions } from '../daemon/rank/known-decisions.ts';
import type { RankQuestion, RankView } from '../daemon/rank/messages.ts';
import { Ranking } from '../daemon/rank/ranking.ts';
import { newTable, packets } from './decode.ts';
import { median, printTable } from './support.ts';

const ROUNDS = 5;
const SRC_OFF = 14 + 12;

/** CPU of the ranking thread for one second, with so many flows that all have a packet in it. What is measured is one core. */
export async function run(): Promise<void> {
  const rows: string[][] = [];
  for (const flows of [60_000, 1_000_000]) {
    const table = newTable(false, undefined, { maxFlows: 1 << 20 });
    const meter = new Meter(table);
    const { view, length } = packets(1);
    const activity = new FlowActivity(openSlab(table.shared));
    const context = { activities: [activity], place: () => undefined, decisions: new KnownDecisions() };
    const ask = (rankView: RankView, filter: string): Ranking => {
      const question: RankQuestion = {
        view: rankView,
        filter: parseFilter(filter),
        sort: 'rate',
        isAscending: false,
        limit: 50,
        ticks: 1,
      };
      return new Ranking(question, context);
    };
    const work: (readonly [string, () => unknown])[] = [
      ['flows', ask('flows', '')],
      ['flows, filtered', ask('flows', 'tcp and packets > 3')],
      ['talkers', ask('talkers', '')],
      ['routes', ask('routes', '')],
    ].map(([name, ranking]) => [name as string, () => (ranking as Ranking).answer()] as const);
    const costs = new Map<string, number[]>();
    const measure = (name: string, fn: () => unknown): void => {
      const before = threadCpuNs();
      fn();
      const list = costs.get(name) ?? [];
      costs.set(name, list);
      list.push((threadCpuNs() - before) / 1e6);
    };
    for (let round = 0; round <= ROUNDS; round++) {
      for (let i = 0; i < flows; i++) {
        view.setUint32(SRC_OFF, 0x0a000000 + i);
        meter.fields.tsSec = 1000 + round;
        meter.packet(view, 0, length);
      }
      measure('look', () => activity.tick(round * 1000));
      for (const [name, fn] of work) measure(name, fn);
      if (round === 0) costs.clear(); // the compiler's warm-up
    }
    rows.push([
      `${flows} flows`,
      ...['look', 'flows', 'flows, filtered', 'talkers', 'routes'].map((name) =>
        median(costs.get(name)!).toFixed(0),
      ),
    ]);
  }
  printTable(['ms CPU a second', 'look', 'flows', 'flows, filtered', 'talkers', 'routes'], rows);
}
