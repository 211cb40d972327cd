import { didYouMean, nearest } from '../../daemon/options/suggestion.ts';
import type { FlowDatabase } from '../../storage/database.ts';
import { SQL_FUNCTIONS } from './functions.ts';
import { VIEWS } from './views.ts';

/** Statements that only read, by their first word. */
const READING = /^(select|with|values|explain)\b/i;

/** Blanks and comments in front of a statement. */
const LEADING = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/;

/** Quoted text, names and comments, and else word by word. */
const PIECE =
  /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|\[[^\]]*\]|[\p{L}_][\p{L}\p{N}_.$]*|\d[\w.]*|\s+|[\s\S]/gu;

/** So far a name may be from what was typed, to be proposed, as a share of its length. */
const FAR = 0.5;

/** Why a statement is not one that `nstap sql` runs; null: it may be. */
export function refusal(sql: string): string | null {
  const rest = sql.replace(LEADING, '');
  if (rest === '') return 'SQL: there is no statement';
  if (READING.test(rest)) return null;
  const word = /^\w*/.exec(rest)![0].toUpperCase() || rest[0]!;
  return placed(
    sql,
    sql.length - rest.length,
    `${word} is not possible here, only SELECT, WITH, VALUES and EXPLAIN: the database is read, never changed`,
  );
}

/**
 * What SQLite says of a statement that it cannot prepare, with the place where it can be told, and what may have been meant.
 * @param message SQLite's own
 */
export function explainMistake(db: FlowDatabase, sql: string, message: string): string {
  const [, near] = /^near "([\s\S]*)": syntax error$/.exec(message) ?? [];
  if (near !== undefined) return placed(sql, placeOfSyntax(db, sql, near, message), message);
  const [, token] = /^unrecognized token: "([\s\S]*)"$/.exec(message) ?? [];
  if (token !== undefined) return placed(sql, sql.indexOf(token), message);
  if (message === 'incomplete input')
    return placed(sql, sql.trimEnd().length, 'the statement is not complete');
  const [, kind, name] =
    /^(no such column|no such table|no such function|ambiguous column name|wrong number of arguments to function)[: ]+(\S+?)(?:\(\))?$/.exec(
      message,
    ) ?? [];
  if (kind === undefined) return `SQLite: ${message}`;
  return placed(sql, placeOfName(sql, name!), `${message}${proposal(sql, kind, name!)}`);
}

/** Of several places the first up to which SQLite finds the same mistake. */
function placeOfSyntax(db: FlowDatabase, sql: string, near: string, message: string): number {
  const places = pieces(sql).filter(({ text }) => text === near);
  for (const { at, text } of places) {
    try {
      db.prepare(sql.slice(0, at + text.length));
    } catch (error) {
      if ((error as Error).message === message) return at;
    }
  }
  return places[0]?.at ?? -1;
}

function placeOfName(sql: string, name: string): number {
  const wanted = name.toLowerCase();
  const bare = wanted.slice(wanted.lastIndexOf('.') + 1);
  const names = pieces(sql).map(({ text, at }) => ({
    text: text.replace(/^["[]|["\]]$/g, '').toLowerCase(),
    at,
  }));
  const found = names.find(({ text }) => text === wanted) ?? names.find(({ text }) => text === bare);
  return found?.at ?? -1;
}

function pieces(sql: string): { text: string; at: number }[] {
  return [...sql.matchAll(PIECE)].map((match) => ({ text: match[0], at: match.index }));
}

function proposal(sql: string, kind: string, name: string): string {
  if (kind === 'no such column') {
    const words = pieces(sql).map(({ text }) => text.toLowerCase());
    const named = VIEWS.filter((view) => words.includes(view.name));
    const columns = (named.length > 0 ? named : VIEWS).flatMap((view) =>
      view.columns.map((column) => column.name),
    );
    const bare = name.slice(name.lastIndexOf('.') + 1);
    const help = named.length === 0 ? '' : `; \`nstap sql --schema ${named[0]!.name}\` lists the columns`;
    return `${meant(bare, columns)}${help}`;
  }
  if (kind === 'no such table') {
    const names = VIEWS.map((view) => view.name);
    return `${meant(name, names)}; there are ${names.join(', ')}`;
  }
  if (kind === 'no such function')
    return meant(
      name,
      SQL_FUNCTIONS.map((each) => each.name),
    );
  return '';
}

function meant(name: string, known: readonly string[]): string {
  return didYouMean(nearest(name.toLowerCase(), known, Math.ceil(name.length * FAR)));
}

/** What is wrong, the line of the statement, a caret under the place. */
function placed(sql: string, at: number, what: string): string {
  const message = `SQL: ${what}`;
  if (at < 0) return message;
  const from = sql.lastIndexOf('\n', at - 1) + 1;
  const end = sql.indexOf('\n', at);
  const line = sql.slice(from, end < 0 ? sql.length : end).replace(/\s/g, ' ');
  return `${message}\n  ${line}\n  ${' '.repeat(at - from)}^`;
}
