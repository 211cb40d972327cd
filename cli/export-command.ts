import { type FlowDatabase, openForReading } from '../storage/database.ts';
import { countFlows } from '../storage/count-flows.ts';
import type { FlowSelection } from '../storage/flow-arms.ts';
import { type FlowRow, queryFlows } from '../storage/query.ts';
import { defaultDb } from './default-db.ts';
import { UsageError } from './errors.ts';
import {
  checkDestination,
  type Destination,
  openDestination,
  type Wrapping,
  wrappingOf,
} from './export/destination.ts';
import { type ExportFormat, formatOfName, type ParquetCodec } from './export/formats.ts';
import { writeParquet } from './export/parquet.ts';
import { ProgressBar } from './export/progress-bar.ts';
import { textFormat } from './export/text-formats.ts';
import { askedFlows, type SelectionFlags, selectFlows } from './flow-selection.ts';
import { counted } from './format/count.ts';
import { interruptible } from './interruptible.ts';
import { Interruption } from './interruption.ts';

/** Flags of `nstap export` without `--carve`, as they were given. */
export interface ExportFlags extends SelectionFlags {
  db?: string;
  format?: ExportFormat;
  output?: string;
  compress?: ParquetCodec;
  extra?: boolean;
  json?: boolean;
}

/** Octets of text that are gathered before they are handed on. */
const PIECE = 65_536;

interface Plan {
  format: ExportFormat;
  output: string;
  wrapping: Wrapping;
  codec: ParquetCodec;
}

/**
 * Writes flows to a file or stdout.
 * @returns exit status: 130 when interrupted, of which nothing is left
 * @throws UsageError, StorageError, Error of the destination
 */
export async function exportCommand(expression: string, flags: ExportFlags): Promise<number> {
  const plan = planOf(flags);
  const asked = await askedFlows(expression, flags);
  const db = openForReading(flags.db ?? defaultDb());
  let to: Destination | null = null;
  let bar: ProgressBar | null = null;
  const interruption = new Interruption(() => {
    bar?.close();
    to?.discard();
  }, 'nothing is exported');
  try {
    const { selection } = selectFlows(db, asked, flags);
    const start = performance.now();
    checkDestination(plan.output, db);
    bar = ProgressBar.open(() => interruptible(() => countFlows(db, selection)), 'flows');
    to = openDestination(plan.output, plan.wrapping, db);
    const flows = await write(db, selection, plan, flags, to, (done) => {
      bar?.show(done);
      interruption.signal.throwIfAborted();
    });
    interruption.ending(false);
    await to.finish();
    bar?.close();
    report(flows, plan, to.octets, (performance.now() - start) / 1000, flags.json === true);
    return 0;
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    interruption.ending(true);
    bar?.close();
    process.stderr.write(
      `nstap: interrupted: ${plan.output === '-' ? 'what was written is not whole' : `${plan.output} is as it was before`}\n`,
    );
    return interruption.status ?? 130;
  } finally {
    bar?.close();
    to?.discard();
    interruption.close();
    db.close();
  }
}

/** @param done called with the number of flows so far; throws to stop */
async function write(
  db: FlowDatabase,
  selection: FlowSelection,
  plan: Plan,
  flags: ExportFlags,
  to: Destination,
  done: (flows: number) => void,
): Promise<number> {
  // In the order of their numbers, which needs no sorting: that in which they began, in each run.
  const order = { sort: 'flow_id', descending: false, limit: null, offset: 0 };
  const rows = queryFlows(db, { ...selection, ...order });
  if (plan.format === 'parquet') return await writeParquet(rows, to, plan.codec, done);
  return await writeText(rows, textFormat(plan.format, db, flags.extra === true), to, done);
}

async function writeText(
  rows: Iterable<FlowRow>,
  { head, line, foot }: ReturnType<typeof textFormat>,
  to: Destination,
  done: (flows: number) => void,
): Promise<number> {
  let count = 0;
  let piece = head;
  for (const row of rows) {
    piece += line(row);
    count++;
    if (piece.length < PIECE) continue;
    await to.write(piece);
    piece = '';
    done(count);
  }
  await to.write(piece + foot());
  return count;
}

/** What is to be done. @throws UsageError for flags that do not fit together */
function planOf(flags: ExportFlags): Plan {
  const output = flags.output ?? '-';
  const wrapping = wrappingOf(output);
  const format = flags.format ?? formatOfName(output) ?? 'csv';
  if (flags.extra && format !== 'zeek') throw new UsageError('--extra adds columns to --format zeek');
  if (flags.json && output === '-')
    throw new UsageError('--json prints a summary, and the flows go to stdout: name a file with -o');
  if (format !== 'parquet') {
    if (flags.compress !== undefined)
      throw new UsageError(
        '--compress is for Parquet; csv, ndjson and zeek are compressed by the name: -o FILE.gz, FILE.zst',
      );
    return { format, output, wrapping, codec: 'none' };
  }
  if (wrapping !== null)
    throw new UsageError(
      'Parquet is compressed within, so that readers can pass over parts: --compress snappy or zstd, not .gz or .zst',
    );
  if (output === '-' && process.stdout.isTTY)
    throw new UsageError('Parquet is binary, and stdout is a terminal: name a file with -o');
  return { format, output, wrapping, codec: flags.compress ?? 'snappy' };
}

function report(flows: number, plan: Plan, octets: number | null, elapsed: number, isJson: boolean): void {
  const seconds = Math.round(elapsed * 1000) / 1000;
  if (isJson) {
    const { format, output: file } = plan;
    process.stdout.write(`${JSON.stringify({ file, format, flows, bytes: octets, elapsed_s: seconds })}\n`);
    return;
  }
  if (plan.output === '-') return;
  const size = octets === null ? '' : `, ${counted(octets, 'byte')}`;
  process.stderr.write(`nstap: ${counted(flows, 'flow')} in ${plan.output}${size}, ${seconds} s\n`);
}
