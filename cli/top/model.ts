import type { LiveRanking, LiveStatus, RankBody } from '../../daemon/control/messages.ts';
import type { RankSort, RankView } from '../../daemon/rank/messages.ts';
import type { FilterMistake, TopFilter } from './filter.ts';
import { placeRows, rankedRows, type TopRow } from './rows.ts';
import { StatusHistory } from './status-history.ts';
import { COLUMNS_OF, sortsOf } from './view-columns.ts';

/** The views, in the order of their keys. */
export const VIEWS = ['flows', 'talkers', 'namespaces', 'routes'] as const;
export type TopView = (typeof VIEWS)[number];

/** Seconds between two pictures that can be chosen. */
const INTERVALS = [1, 2, 3, 5, 10] as const;

/** Rows are asked for in steps of so many, so that scrolling does not ask anew with every line. */
const ROWS_STEP = 50;
const ROWS_MAX = 500;

export interface Order {
  sort: RankSort;
  isAscending: boolean;
}

/** A line that is being typed. */
export interface Editing {
  text: string;
  /** Characters before the cursor. */
  cursor: number;
  /** null: what is typed is in force. */
  mistake: FilterMistake | null;
}

/** All that the screen shows. Never changed: `update` makes another one. */
export interface TopState {
  view: TopView;
  orders: Readonly<Record<TopView, Order>>;
  filter: TopFilter;
  editing: Editing | null;
  isPaused: boolean;
  isHelp: boolean;
  intervalS: number;
  rows: readonly TopRow[];
  /** What `rows` are of; null: nothing came yet. */
  ranking: LiveRanking | null;
  /** What `ranking` was asked by. */
  shown: RankBody | null;
  history: StatusHistory;
  /** Row at the cursor, and first row on the screen. */
  selected: number;
  offset: number;
  /** Key of the row that the cursor follows; null: it stays on its line. */
  followed: string | null;
  /** The row whose details are shown; and whether it is still among the rows. */
  details: { row: TopRow; isThere: boolean; offset: number } | null;
  /** Why there is no daemon just now; null: there is one. */
  gone: string | null;
  /** Rows that fit on the screen. */
  height: number;
}

export type TopAction =
  | { type: 'view'; view: TopView }
  | { type: 'next-view'; step: 1 | -1 }
  | { type: 'move'; lines: number }
  | { type: 'page'; pages: 1 | -1 }
  | { type: 'first' }
  | { type: 'last' }
  | { type: 'open' }
  | { type: 'close' }
  | { type: 'sort'; step: 1 | -1 }
  | { type: 'reverse' }
  | { type: 'pause' }
  | { type: 'interval'; step: 1 | -1 }
  | { type: 'help' }
  | { type: 'edit' }
  /** What stands in the filter line now, and what it means. */
  | { type: 'typed'; text: string; cursor: number; read: TopFilter | FilterMistake }
  | { type: 'keep-filter' }
  | { type: 'clear-filter' }
  | { type: 'resize'; height: number }
  | { type: 'ranking'; ranking: LiveRanking; question: RankBody }
  | { type: 'status'; status: LiveStatus; atMs: number }
  | { type: 'gone'; message: string };

/** How it begins. */
export function initialState(start: {
  view: TopView;
  filter: TopFilter;
  order?: Order;
  intervalS: number;
  height: number;
}): TopState {
  const { view, filter, order, intervalS, height } = start;
  const byRate: Order = { sort: 'rate', isAscending: false };
  return {
    view,
    orders: {
      flows: byRate,
      talkers: byRate,
      namespaces: byRate,
      routes: byRate,
      ...(order && { [view]: order }),
    },
    filter,
    editing: null,
    isPaused: false,
    isHelp: false,
    intervalS,
    rows: [],
    ranking: null,
    shown: null,
    history: new StatusHistory(),
    selected: 0,
    offset: 0,
    followed: null,
    details: null,
    gone: null,
    height,
  };
}

/** What the daemon is to be asked for, to show this state. */
export function questionOf(state: TopState): RankBody {
  const { sort, isAscending } = state.orders[state.view];
  const wanted = state.offset + 2 * state.height;
  return {
    view: rankViewOf(state.view),
    filter: state.filter.json,
    sort,
    ascending: isAscending,
    // All interfaces: which of them are shown is not the daemon's to decide.
    limit:
      state.view === 'namespaces'
        ? ROWS_MAX
        : Math.min(ROWS_MAX, Math.ceil(Math.max(1, wanted) / ROWS_STEP) * ROWS_STEP),
    intervalS: state.intervalS,
  };
}

/** True when both are answered alike. */
export function isSameQuestion(a: RankBody | null, b: RankBody): boolean {
  return a !== null && (Object.keys(b) as (keyof RankBody)[]).every((key) => a[key] === b[key]);
}

function rankViewOf(view: TopView): RankView {
  return view === 'namespaces' ? 'interfaces' : view;
}

/** What comes of an action. */
export function update(state: TopState, action: TopAction): TopState {
  switch (action.type) {
    case 'view':
      return changeView(state, action.view);
    case 'next-view': {
      const at = VIEWS.indexOf(state.view) + action.step;
      return changeView(state, VIEWS[(at + VIEWS.length) % VIEWS.length]!);
    }
    case 'move':
      if (state.details !== null)
        return {
          ...state,
          details: { ...state.details, offset: Math.max(0, state.details.offset + action.lines) },
        };
      return select(state, state.selected + action.lines);
    case 'page':
      return update(state, { type: 'move', lines: action.pages * Math.max(1, state.height - 1) });
    case 'first':
      return { ...select(state, 0), followed: null };
    case 'last':
      return select(state, state.rows.length - 1);
    case 'open': {
      const row = state.rows[state.selected];
      return row === undefined
        ? state
        : { ...state, details: { row, isThere: true, offset: 0 }, followed: row.key };
    }
    case 'close':
      return { ...state, details: null, isHelp: false };
    case 'sort':
      return changeSort(state, action.step);
    case 'reverse': {
      const order = state.orders[state.view];
      return reorder(state, { ...order, isAscending: !order.isAscending });
    }
    case 'pause':
      return { ...state, isPaused: !state.isPaused };
    case 'interval': {
      const at = INTERVALS.findIndex((each) => each >= state.intervalS) + action.step;
      return { ...state, intervalS: INTERVALS[Math.min(Math.max(at, 0), INTERVALS.length - 1)]! };
    }
    case 'help':
      return { ...state, isHelp: !state.isHelp };
    case 'edit': {
      const { text } = state.filter;
      return { ...state, details: null, editing: { text, cursor: text.length, mistake: null } };
    }
    case 'typed':
      return typed(state, action);
    case 'keep-filter':
      return { ...state, editing: null };
    case 'clear-filter':
      return { ...top(state), editing: null, filter: { text: '', json: '' } };
    case 'resize':
      return select({ ...state, height: action.height }, state.selected, state.followed);
    case 'ranking':
      return takeRanking(state, action.ranking, action.question);
    case 'status':
      return takeStatus(state, action.status, action.atMs);
    case 'gone':
      return { ...state, gone: action.message };
  }
}

/** The cursor on the first line, which it stays on. */
function top(state: TopState): TopState {
  return { ...state, selected: 0, offset: 0, followed: null };
}

function changeView(state: TopState, view: TopView): TopState {
  if (view === state.view) return { ...state, details: null };
  return { ...top(state), view, details: null, rows: [], ranking: null, shown: null };
}

function changeSort(state: TopState, step: 1 | -1): TopState {
  const sorts = sortsOf(COLUMNS_OF[state.view]);
  const { sort } = state.orders[state.view];
  const at = Math.max(0, sorts.indexOf(sort)) + step;
  return reorder(state, { sort: sorts[(at + sorts.length) % sorts.length]!, isAscending: false });
}

/** What is there is put in order at once; what the daemon sends then is what is first of all. */
function reorder(state: TopState, order: Order): TopState {
  const next = { ...top(state), orders: { ...state.orders, [state.view]: order } };
  return next.ranking === null ? next : { ...next, rows: rowsOf(next, next.ranking) };
}

function typed(state: TopState, { text, cursor, read }: Extract<TopAction, { type: 'typed' }>): TopState {
  if ('message' in read) return { ...state, editing: { text, cursor, mistake: read } };
  const editing = { text, cursor, mistake: null };
  return read.json === state.filter.json
    ? { ...state, editing, filter: read }
    : { ...top(state), editing, filter: read };
}

/** Puts the cursor on a row and scrolls as little as it must. @param followed key of the row that it follows; left out: of this one */
function select(state: TopState, index: number, followed?: string | null): TopState {
  const last = Math.max(0, state.rows.length - 1);
  const selected = Math.min(Math.max(0, index), last);
  const least = Math.max(0, selected - Math.max(1, state.height) + 1);
  const most = Math.max(0, state.rows.length - state.height);
  const offset = Math.min(Math.max(state.offset, least), selected, Math.max(least, most));
  const key = followed === undefined ? (state.rows[selected]?.key ?? null) : followed;
  return { ...state, selected, offset, followed: key };
}

function takeRanking(state: TopState, ranking: LiveRanking, question: RankBody): TopState {
  const wanted = questionOf(state);
  if (question.view !== wanted.view) return state;
  // Paused, only what somebody has just asked for is shown.
  if (state.isPaused && isSameQuestion(state.shown, question)) return state;
  // Of a question that was asked before this one: the answer to this one is under way.
  if (
    question.filter !== wanted.filter ||
    question.sort !== wanted.sort ||
    question.ascending !== wanted.ascending
  )
    return state;
  const next = { ...state, ranking, shown: question, gone: null };
  return follow({ ...next, rows: rowsOf(next, ranking) });
}

function takeStatus(state: TopState, status: LiveStatus, atMs: number): TopState {
  const next = { ...state, history: state.history.add(status, atMs), gone: null };
  if (state.view !== 'namespaces' || state.isPaused || state.ranking === null) return next;
  return follow({ ...next, rows: rowsOf(next, state.ranking) });
}

/** Rows have changed: the cursor stays on its row, or on its line. */
function follow(state: TopState): TopState {
  const { followed, details } = state;
  const at = followed === null ? -1 : state.rows.findIndex(({ key }) => key === followed);
  const next = select(state, at < 0 ? state.selected : at, followed);
  if (details === null) return next;
  const row = state.rows.find(({ key }) => key === details.row.key);
  return { ...next, details: { ...details, row: row ?? details.row, isThere: row !== undefined } };
}

function rowsOf(state: TopState, ranking: LiveRanking): TopRow[] {
  const { view, history } = state;
  const order = state.orders[view];
  if (view === 'namespaces')
    return placeRows(ranking, history, { ...order, isFiltered: state.filter.json !== '' });
  return rankedRows(ranking, view === 'routes');
}
