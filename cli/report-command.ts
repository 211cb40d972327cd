import { resolve } from 'node:path';
import { version } from '../daemon/version.ts';
import { type FlowDatabase, openForReading } from '../storage/database.ts';
import { nowNs } from '../storage/time.ts';
import { defaultDb } from './default-db.ts';
import { UsageError } from './errors.ts';
import { checkDestination, openDestination } from './export/destination.ts';
import { askedFlows, type SelectionFlags, selectFlows } from './flow-selection.ts';
import { counted } from './format/count.ts';
import { shellWord } from './format/shell-word.ts';
import { showTimesIn } from './format/time.ts';
import { interruptible } from './interruptible.ts';
import { Interruption } from './interruption.ts';
import { reportData } from './report/data.ts';
import { reportJson } from './report/json.ts';
import { reportPage } from './report/page.ts';

/** Flags of `nstap report` as they were given. */
export interface ReportFlags extends SelectionFlags {
  db?: string;
  output?: string;
  title?: string;
  json?: boolean;
}

/**
 * Writes a page about flows.
 * @returns exit status
 * @throws UsageError, StorageError, Error of the file
 */
export async function reportCommand(expression: string, flags: ReportFlags): Promise<number> {
  const output = flags.output ?? '-';
  if (output === '-' && process.stdout.isTTY && !flags.json)
    throw new UsageError('a page of HTML is not for a terminal: name a file with -o, or give --json');
  showTimesIn('UTC');
  const asked = await askedFlows(expression, flags);
  const db = openForReading(flags.db ?? defaultDb());
  try {
    checkDestination(output, db);
    const { selection, experiment } = selectFlows(db, asked, flags);
    const data = interruptible(() => reportData(db, selection, experiment));
    const page = flags.json
      ? `${JSON.stringify(reportJson(data))}\n`
      : reportPage(data, {
          title: flags.title ?? (experiment === null ? 'Network traffic' : `Experiment ${experiment}`),
          command: ['nstap', ...process.argv.slice(2)].map(shellWord).join(' '),
          version: version(),
          database: resolve(db.name),
          filter: expression,
          madeNs: nowNs(),
        });
    await put(page, output, db);
    if (output !== '-')
      process.stderr.write(`nstap: report of ${counted(data.totals.flows, 'flow')} in ${output}\n`);
    return 0;
  } finally {
    db.close();
  }
}

/** Writes it, whole or not at all. */
async function put(page: string, output: string, db: FlowDatabase): Promise<void> {
  const to = openDestination(output, null, db);
  const interruption = new Interruption(() => to.discard(), 'there is no report');
  try {
    await to.write(page);
    await to.finish();
  } finally {
    to.discard();
    interruption.close();
  }
}
