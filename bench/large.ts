import { type BenchOptions, Report } from './report.ts';
import { measure } from './scale.ts';

const FLOWS = 50_000_000;

/** The same as the part `scale`, of one more database: 18 GB, and 25 minutes. */
export async function run(options: BenchOptions = {}, report = new Report()): Promise<void> {
  measure([options.quick ? FLOWS / 100 : FLOWS], options, report);
}
