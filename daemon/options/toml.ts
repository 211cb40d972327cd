import { type AST, ParseError, parseTOML } from 'toml-eslint-parser';
import { ConfigError } from './errors.ts';

/** A TOML document, read. */
export interface TomlDocument {
  /** Tables as objects without a prototype; dates and times as Date. */
  value: Record<string, unknown>;
  /** Where a key stands; the nearest table around it when it is not written by itself. @param path ["capture", "snaplen"] @returns its line, from 1 */
  lineOf(path: readonly string[]): number;
}

/**
 * Reads TOML 1.0.
 * @param name of the file, for the error
 * @throws ConfigError with the line and what is wrong there
 */
export function parseToml(text: string, name: string): TomlDocument {
  let program: AST.TOMLProgram;
  try {
    program = parseTOML(text, { tomlVersion: '1.0' });
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    throw new ConfigError([`${name}:${error.lineNumber}: not TOML: ${error.message}`], error);
  }
  const lines = new Map<string, number>();
  const value = newTable();
  for (const node of program.body[0].body) {
    addLines(node, [], lines);
    if (node.type === 'TOMLKeyValue') setKey(value, node);
    else addTable(value, node);
  }
  return {
    value,
    lineOf(path) {
      for (let length = path.length; length > 0; length--) {
        const line = lines.get(path.slice(0, length).join('\0'));
        if (line !== undefined) return line;
      }
      return 1;
    },
  };
}

type Table = Record<string, unknown>;

/**
 * A table without a prototype: a key `__proto__` is one like any other. (The parser's own getStaticTOMLValue, 1.0.3, writes
 * what stands under `[__proto__]` into Object.prototype.)
 */
function newTable(): Table {
  return Object.create(null) as Table;
}

/** The parser has seen to it that what is on the way is a table, or an array of them, and that nothing is said twice. */
function addTable(root: Table, node: AST.TOMLTable): void {
  let table = root;
  for (const [i, key] of node.resolvedKey.entries()) {
    if (typeof key === 'number') continue;
    const index = node.resolvedKey[i + 1];
    if (typeof index === 'number') {
      table[key] ??= [];
      const tables = table[key] as Table[];
      tables[index] ??= newTable();
      table = tables[index];
    } else table = innerTable(table, key);
  }
  for (const inner of node.body) setKey(table, inner);
}

function setKey(table: Table, node: AST.TOMLKeyValue): void {
  const names = namesOf(node.key);
  const last = names.pop()!;
  const inner = names.reduce(innerTable, table);
  inner[last] = tomlValue(node.value);
}

function innerTable(table: Table, key: string): Table {
  table[key] ??= newTable();
  return table[key] as Table;
}

function tomlValue(node: AST.TOMLContentNode): unknown {
  switch (node.type) {
    case 'TOMLValue':
      return node.value;
    case 'TOMLArray':
      return node.elements.map(tomlValue);
    case 'TOMLInlineTable': {
      const table = newTable();
      for (const inner of node.body) setKey(table, inner);
      return table;
    }
  }
}

function namesOf(key: AST.TOMLKey): string[] {
  return key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
}

/** Notes the line of a key, or of a table and its keys, and of the tables on the way there. */
function addLines(
  node: AST.TOMLKeyValue | AST.TOMLTable,
  around: string[],
  lines: Map<string, number>,
): void {
  const path = [...around, ...namesOf(node.key)];
  for (let length = around.length + 1; length <= path.length; length++) {
    const known = path.slice(0, length).join('\0');
    if (!lines.has(known)) lines.set(known, node.loc.start.line);
  }
  if (node.type === 'TOMLTable') for (const inner of node.body) addLines(inner, path, lines);
  else if (node.value.type === 'TOMLInlineTable')
    for (const inner of node.value.body) addLines(inner, path, lines);
}

/** A value as TOML, on one line. */
export function formatTomlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(formatTomlValue).join(', ')}]`;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'number') return String(value).replace('Infinity', 'inf').replace('NaN', 'nan');
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, inner]) => `${key} = ${formatTomlValue(inner)}`)
      .join(', ')} }`;
  // A JSON string is a basic string of TOML, but for DEL, which TOML wants escaped.
  return JSON.stringify(value).replaceAll('\x7f', '\\u007f');
}
