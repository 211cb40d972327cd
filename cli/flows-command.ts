import { openForReading } from '../storage/database.ts';
import { behindFlow } from '../storage/behind-flow.ts';
import { FLOW_SORTS, type FlowRow, queryFlows } from '../storage/query.ts';
import { defaultDb } from './default-db.ts';
import { UsageError } from './errors.ts';
import { askedFlows, narrowed, type SelectionFlags, selectFlows } from './flow-selection.ts';
import { learnNames } from './format/address-names.ts';
import { groupFields, groupLines, groupSort } from './flows-groups.ts';
import { flowFields, flowFieldsHelp } from './format/flow-fields.ts';
import { flowView } from './format/flow-view.ts';
import { firstInterruptible } from './interruptible.ts';
import { rowLines, writeLines } from './output.ts';
import type { RowFormat } from './row-formats.ts';
import { pageLines } from './pager.ts';
import { suggestion } from '../daemon/options/suggestion.ts';
import { showTimesIn } from './format/time.ts';
import { parseTimeZone } from './time-zone.ts';

/** Flags of `nstap flows` as they were given. */
export interface FlowsFlags extends SelectionFlags {
  db?: string;
  sort?: string;
  limit?: number;
  offset?: number;
  before?: number;
  top?: number;
  routeChanged?: boolean;
  by?: string;
  series?: boolean;
  columns?: string;
  wide?: boolean;
  explain?: number | true;
  json?: boolean;
  /** false: straight to the terminal, for callers that show flows beside something else. */
  pager?: boolean;
  format?: RowFormat;
}

const TABLE_LIMIT = 50;

/** Names of FLOW_SORTS as people know them from the filter language, other tools, and the JSON contract. */
const SORT_ALIASES: Readonly<Record<string, string>> = {
  time: 'start',
  id: 'flow_id',
  port: 'dst_port',
  protocol: 'proto',
  proto_number: 'proto',
  rtt_us: 'rtt',
  duration_s: 'duration',
};

/** Queries flows and prints them. @throws UsageError for a mistake in the arguments, StorageError */
export async function flowsCommand(expression: string, flags: FlowsFlags): Promise<void> {
  if (flags.columns?.trim() === 'help') return await pageLines(textLines(flowFieldsHelp()));
  checkFlags(flags);
  const format = flags.format ?? (flags.json ? 'json' : 'table');
  let asked = await askedFlows(expression, flags);
  if (flags.routeChanged) asked = narrowed(asked, { kind: 'routeChanged' });
  const zone = parseTimeZone(flags.tz);
  showTimesIn(zone);
  const fields = flags.columns === undefined ? null : flowFields(flags.columns);
  const by = flags.by === undefined ? null : groupFields(flags.by, zone);
  const order =
    by === null
      ? flowSort(flags.sort ?? (flags.top === undefined ? 'start' : 'bytes'))
      : groupSort(flags.sort, by);
  const print = flags.pager === false ? writeLines : pageLines;
  const page = { limit: limitOf(flags, format), offset: flags.offset ?? 0 };
  const db = openForReading(flags.db ?? defaultDb());
  try {
    const { selection } = selectFlows(db, asked, flags);
    if (flags.explain !== undefined) {
      const { explainCommand } = await import('./flows-explain.ts');
      await explainCommand(db, selection, flags.explain === true ? null : flags.explain, format === 'json');
    } else if (by !== null) {
      const { top, wide } = flags;
      const request = { by, ...order, ...page, format, isTop: top !== undefined, isWide: wide === true };
      await print(firstInterruptible(() => groupLines(db, selection, request)));
    } else {
      const view = flowView({ ...flags, fields }, db);
      if (flags.before !== undefined)
        selection.also = behindFlow(db, flags.before, order.sort, order.descending);
      // One more tells whether there are more.
      const limit = page.limit === null ? null : page.limit + 1;
      const part = new Part(
        queryFlows(db, { ...selection, ...order, limit, offset: page.offset }),
        page.limit,
      );
      const rows = flags.resolve === true && format === 'table' ? await withNames(part) : part;
      await print(firstInterruptible(() => rowLines(rows, view, format)));
      if (format === 'table') sayMore(part, order.sort);
    }
  } finally {
    db.close();
  }
}

/** @throws UsageError for flags that make no sense together */
function checkFlags({
  by,
  series,
  before,
  top,
  limit,
  columns,
  routeChanged,
  wide,
  explain,
  format,
  json,
}: FlowsFlags): void {
  const clash = (isWrong: boolean, what: string): void => {
    if (isWrong) throw new UsageError(what);
  };
  const isJson = json || format === 'json' || format === 'ndjson';
  clash(
    series === true && (by !== undefined || columns !== undefined || !isJson),
    '--series needs --format json or ndjson, and no --by or --columns: it is a list within each flow',
  );
  clash(
    before !== undefined && by !== undefined,
    '--before names a flow, and --by lists groups; take --offset',
  );
  clash(
    columns !== undefined && by !== undefined,
    '--columns is for flows; --by lists its fields and their totals',
  );
  clash(top !== undefined && limit !== undefined, '--top is a --limit already; give one of them');
  clash(columns !== undefined && wide === true, '--wide and --columns both choose columns; give one of them');
  clash(
    columns !== undefined && routeChanged === true,
    '--route-changed shows decisions below each flow; it takes no --columns, but the filter `route changed` does',
  );
  clash(
    explain !== undefined && (by !== undefined || columns !== undefined),
    '--explain is about one flow; it takes no --by or --columns',
  );
  clash(
    explain !== undefined && format !== undefined && format !== 'json' && format !== 'table',
    '--explain prints a page, or one JSON object with --json',
  );
  clash(json === true && format !== undefined && format !== 'json', `--json is --format json, not ${format}`);
}

function limitOf({ limit, top }: FlowsFlags, format: RowFormat): number | null {
  if (top !== undefined) return top;
  if (limit === undefined) return format === 'table' ? TABLE_LIMIT : null;
  return limit === 0 ? null : limit;
}

/** The first rows of a query, and whether there are more. */
class Part implements Iterable<FlowRow> {
  hasMore = false;
  last: FlowRow | null = null;
  count = 0;
  readonly #rows: Iterable<FlowRow>;
  readonly #limit: number | null;

  constructor(rows: Iterable<FlowRow>, limit: number | null) {
    this.#rows = rows;
    this.#limit = limit;
  }

  *[Symbol.iterator](): Iterator<FlowRow> {
    for (const row of this.#rows) {
      if (this.count === this.#limit) {
        this.hasMore = true;
        return;
      }
      this.count++;
      this.last = row;
      yield row;
    }
  }
}

/** To who sits before a terminal: a script gets no words that it did not ask for. */
function sayMore({ hasMore, last, count }: Part, sort: string): void {
  if (!hasMore || last === null || !process.stdout.isTTY || process.exitCode) return;
  const what =
    sort === 'start'
      ? `the next page: --before ${last.flowId}`
      : `the next page: --before ${last.flowId} and the same --sort`;
  process.stderr.write(`nstap: ${count} flows, and there are more; ${what}; all: --limit 0\n`);
}

/** With --resolve the table has names, so all its rows are read before the first is printed. */
async function withNames(rows: Iterable<FlowRow>): Promise<FlowRow[]> {
  const all = [...rows];
  await learnNames(all.flatMap(({ src, dst }) => [src, dst]));
  return all;
}

/** What has most comes first; a leading + turns it around. @throws UsageError that suggests one */
function flowSort(text: string): { sort: string; descending: boolean } {
  const plain = text.replace(/^[+-]/, '').trim().toLowerCase().replaceAll('-', '_');
  const sort = SORT_ALIASES[plain] ?? plain;
  const known = Object.keys(FLOW_SORTS);
  if (!known.includes(sort))
    throw new UsageError(
      `cannot sort by "${plain}"${suggestion(plain, [...known, ...Object.keys(SORT_ALIASES)])}; it can be ${known.join(', ')}`,
    );
  return { sort, descending: !text.startsWith('+') };
}

function textLines(text: string): string[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `${line}\n`);
}
