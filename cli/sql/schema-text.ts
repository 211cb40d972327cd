import { UsageError } from '../errors.ts';
import { SQL_FUNCTIONS } from './functions.ts';
import { type View, VIEWS } from './views.ts';

/** The views, or one of them, with a line a column; of all also the functions. @throws UsageError when there is no such view */
export function* schemaText(name: string | undefined, bold: (text: string) => string): Iterable<string> {
  const longest = (names: string[]): number => Math.max(...names.map((each) => each.length));
  for (const view of viewsNamed(name)) {
    yield `${bold(view.name)}  ${view.help}\n`;
    const width = longest(view.columns.map((column) => column.name));
    for (const { name: column, help, isKey } of view.columns)
      yield `  ${isKey ? '*' : ' '} ${column.padEnd(width)}  ${help}\n`;
    yield '\n';
  }
  if (name === undefined) {
    yield `${bold('functions')}\n`;
    const width = longest(SQL_FUNCTIONS.map(({ call }) => call));
    for (const { call, help } of SQL_FUNCTIONS) yield `    ${call.padEnd(width)}  ${help}\n`;
    yield '\n';
  }
  yield '* a filter on this column is answered from an index.\n';
}

/** The same as JSON. */
export function schemaJson(name: string | undefined): string {
  const views = viewsNamed(name).map((view) => ({
    view: view.name,
    help: view.help,
    columns: view.columns.map((column) => ({
      name: column.name,
      help: column.help,
      indexed: column.isKey === true,
    })),
  }));
  return `${JSON.stringify(views, null, 2)}\n`;
}

function viewsNamed(name: string | undefined): readonly View[] {
  if (name === undefined) return VIEWS;
  const view = VIEWS.find((each) => each.name === name.toLowerCase());
  if (view === undefined)
    throw new UsageError(`there is no view ${name}; there are ${VIEWS.map((each) => each.name).join(', ')}`);
  return [view];
}
