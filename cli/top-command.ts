import { controlToAsk } from './default-control.ts';
import { ExitStatus, UsageError } from './errors.ts';
import { readFilter } from './filter/read.ts';
import { terminalWidth, writeLines } from './output.ts';
import { readTopFilter, type TopFilter } from './top/filter.ts';
import { lookOf } from './top/look.ts';
import { initialState, type TopView, VIEWS } from './top/model.ts';
import { snapshotJson, snapshotText } from './top/once.ts';
import { tableHeight } from './top/screen.ts';
import { takeSnapshot } from './top/snapshot.ts';
import { COLUMNS_OF, sortsOf } from './top/view-columns.ts';

/** Rows of a snapshot, where nobody says how many. */
const ROWS = 50;

/** Flags of `nstap top` as they were given. */
export interface TopFlags {
  resolve?: boolean;
  view?: string;
  sort?: string;
  reverse?: boolean;
  interval?: number;
  limit?: number;
  once?: boolean;
  json?: boolean;
  control?: string;
}

/**
 * Runs `nstap top`.
 * @param words the filter
 * @returns exit status
 * @throws UsageError, also where there is no terminal for the screen; ControlError when no daemon can be asked
 */
export async function topCommand(words: readonly string[], flags: TopFlags): Promise<number> {
  const text = words.join(' ');
  const filter = filterOf(flags.resolve === true ? await resolved(text) : text);
  const view = viewOf(flags.view ?? 'flows');
  const control = controlOf(flags.control);
  const isOnce = flags.once === true || flags.json === true;
  if (flags.limit !== undefined && !isOnce)
    throw new UsageError('--limit is of a snapshot: use it with --once or --json');
  const begin = initialState({
    view,
    filter,
    order: orderOf(view, flags),
    intervalS: flags.interval ?? 1,
    height: tableHeight(process.stdout.rows ?? 24),
  });
  if (!isOnce) return runInTerminal(control, begin);
  const state = await takeSnapshot(control, begin, flags.limit ?? ROWS);
  const nowMs = Date.now();
  await writeLines([
    flags.json
      ? `${JSON.stringify(snapshotJson(state, control, nowMs))}\n`
      : snapshotText(state, lookOf(), terminalWidth(), nowMs),
  ]);
  return ExitStatus.Done;
}

async function runInTerminal(control: string, begin: ReturnType<typeof initialState>): Promise<number> {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new UsageError(
      'top: needs a terminal to draw on and to take keys from; `nstap top --once` prints one snapshot, `nstap flows` and `nstap tail` are for pipes',
    );
  if (process.env.TERM === 'dumb')
    throw new UsageError('top: a terminal with TERM=dumb cannot be drawn on; use `nstap top --once`');
  // React's checks for developers cost twice the time of a picture.
  process.env.NODE_ENV ??= 'production';
  const { runScreen } = await import('./top/run-screen.ts');
  return runScreen(control, begin);
}

/** The filter with what its names stand for: it can be changed on the screen, where no names are looked up. */
async function resolved(text: string): Promise<string> {
  const filter = await readFilter(text, true);
  if (filter === null) return '';
  const { printFilter } = await import('./filter/print.ts');
  return printFilter(filter);
}

function filterOf(text: string): TopFilter {
  const read = readTopFilter(text);
  if (!('message' in read)) return read;
  const place = read.at === null ? '' : `\n  ${text}\n  ${' '.repeat(read.at)}^`;
  throw new UsageError(`filter: ${read.message}${place}`);
}

function viewOf(word: string): TopView {
  const view = VIEWS.find((each) => each === word);
  if (view === undefined) throw new UsageError(`--view ${word}: one of ${VIEWS.join(', ')} is wanted`);
  return view;
}

function orderOf(
  view: TopView,
  { sort, reverse = false }: TopFlags,
): ReturnType<typeof initialState>['orders'][TopView] {
  const sorts = sortsOf(COLUMNS_OF[view]);
  const found = sort === undefined ? 'rate' : sorts.find((each) => each === sort);
  if (found === undefined)
    throw new UsageError(`--sort ${sort}: ${view} can be sorted by ${sorts.join(', ')}`);
  return { sort: found, isAscending: reverse };
}

function controlOf(given: string | undefined): string {
  if (given === 'none')
    throw new UsageError('--control none: top shows what a running daemon sees, and asks it by its socket');
  return given ?? controlToAsk();
}
