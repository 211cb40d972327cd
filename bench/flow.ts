import { fileURLToPath } from 'node:url';
import { type BenchOptions, figure, Report } from './report.ts';
import { median, printTable, sh } from './support.ts';

const CHILD = fileURLToPath(new URL('./flow-child.ts', import.meta.url));
const FLOWS = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 2_000_000, 5_000_000];
const LEAST_SHOWN = 100_000;
const QUICK_FLOWS = [1_000, 10_000, 100_000];

/** What a child of this part prints. */
export interface FlowCost {
  /** Nanoseconds of CPU for the first packet of a flow. */
  newNs: number;
  /** The same of later ones; one a round. */
  knownNs: number[];
  octetsPerFlow: number;
}

/**
 * Cost of a packet, from its frame in memory to its flow, and memory, from few concurrent flows to many. A process each, so that
 * memory is that of so many flows, and the compiler has seen nothing else.
 */
export async function run(options: BenchOptions = {}, report = new Report()): Promise<void> {
  const rows: string[][] = [];
  for (const flows of options.quick ? QUICK_FLOWS : FLOWS) {
    const cost = JSON.parse(
      sh(process.execPath, [CHILD, String(flows), options.quick ? '1' : '3']),
    ) as FlowCost;
    const name = flows.toLocaleString('en-US');
    report.row(`flow.${flows}.known`, `packet of one of ${name} flows`, 'ns CPU', cost.knownNs);
    // Of few flows what the process does besides is more than the flows.
    const isShown = flows >= LEAST_SHOWN;
    if (isShown) {
      report.row(`flow.${flows}.new`, `first packet of each of ${name} flows`, 'ns CPU', [cost.newNs]);
      report.row(`flow.${flows}.memory`, `memory of each of ${name} flows`, 'octets', [cost.octetsPerFlow]);
    }
    report.point('flow', flows, {
      known: median(cost.knownNs),
      ...(isShown ? { new: cost.newNs, octets: cost.octetsPerFlow } : {}),
    });
    rows.push([
      name,
      figure(median(cost.knownNs)),
      `${figure(Math.min(...cost.knownNs))}-${figure(Math.max(...cost.knownNs))}`,
      isShown ? figure(cost.newNs) : '',
      isShown ? figure(cost.octetsPerFlow) : '',
    ]);
  }
  printTable(['flows', 'ns CPU a packet', 'range', 'ns the first', 'octets a flow'], rows);
}
