import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ColumnType, TYPED_COLUMNS } from '../../cli/export/columns.ts';
import { CONN_COLUMNS, EXTRA_COLUMNS } from '../../cli/export/zeek.ts';
import { filterGrammar } from '../../cli/filter/parse.ts';
import { SQL_FUNCTIONS } from '../../cli/sql/functions.ts';
import { type View, VIEWS } from '../../cli/sql/views.ts';
import { TIMEOUT_NAMES } from '../../daemon/config.ts';
import { LOG_EVENTS } from '../../daemon/log-events.ts';
import {
  CAPTURE_FAMILIES,
  type CaptureFamily,
  ENGINE_FAMILIES,
  ROUTE_FAMILIES,
} from '../../daemon/metrics/families.ts';
import { DAEMON_OPTIONS } from '../../daemon/options/daemon-options.ts';
import { fileSchema } from '../../daemon/options/schema.ts';
import { allowedBy, type OptionSpec } from '../../daemon/options/spec.ts';
import { predicateRows } from './filter-page.ts';
import { ebnf } from './grammar-text.ts';
import { jsonTables } from './json-page.ts';

/** A part of a page that is made from the sources: what stands between its two comments. */
export interface DocTable {
  page: string;
  name: string;
  text: string;
}

/** Every such part. */
export const TABLES: readonly DocTable[] = [
  {
    page: 'docs/configuration.md',
    name: 'options',
    text: table(
      ['key', 'flag', 'must be', 'default', 'SIGHUP', 'what it does'],
      DAEMON_OPTIONS.map(optionRow),
    ),
  },
  {
    page: 'docs/metrics.md',
    name: 'metrics',
    text: table(['metric', 'type', 'labels', 'what it says'], metricRows()),
  },
  {
    page: 'docs/logs.md',
    name: 'events',
    text: table(
      ['event', 'from', 'what it says'],
      Object.entries(LOG_EVENTS).map(([event, { role, meaning }]) => [`\`${event}\``, role, meaning]),
    ),
  },
  {
    page: 'docs/filters.md',
    name: 'predicates',
    text: table(['predicate', 'matches flows', 'values', 'examples'], predicateRows()),
  },
  {
    page: 'docs/filters.md',
    name: 'grammar',
    text: `\`\`\`ebnf\n${ebnf(filterGrammar())}\n\`\`\``,
  },
  {
    page: 'docs/export.md',
    name: 'parquet',
    text: table(['type', 'columns'], parquetRows()),
  },
  {
    page: 'docs/export.md',
    name: 'zeek',
    text: table(
      ['of', 'columns (type)'],
      [
        ['Zeek', CONN_COLUMNS.map(({ name, type }) => `\`${name}\` (${type})`).join(' · ')],
        ['`--extra`', EXTRA_COLUMNS.map(({ name, type }) => `\`${name}\` (${type})`).join(' · ')],
      ],
    ),
  },
  { page: 'docs/sql.md', name: 'views', text: VIEWS.map(viewText).join('\n\n') },
  {
    page: 'docs/sql.md',
    name: 'functions',
    text: table(
      ['function', 'gives'],
      SQL_FUNCTIONS.map(({ call, help }) => [`\`${call}\``, help]),
    ),
  },
  ...jsonTables(pathOf('docs')).map(({ name, text }) => ({ page: 'docs/json.md', name, text })),
];

/** The schema of the configuration file, as it is in docs/. */
export const SCHEMA_FILE = 'docs/nstap.schema.json';
export const schemaText = (): string => `${JSON.stringify(fileSchema(DAEMON_OPTIONS), null, 2)}\n`;

/** Path of a file of the repository. */
export function pathOf(file: string): string {
  return fileURLToPath(new URL(`../../${file}`, import.meta.url));
}

/** The page with the table in its place. @throws Error when the page has no such place */
export function withTable({ page, name, text }: DocTable): string {
  const now = readFileSync(pathOf(page), 'utf8');
  const place = new RegExp(`(<!-- begin ${name}:[^\\n]*-->\\n).*?(\\n<!-- end ${name} -->)`, 's');
  if (!place.test(now)) throw new Error(`${page} has no place for ${name}`);
  return now.replace(place, (_, begin: string, end: string) => begin + text + end);
}

function optionRow({ key, flag, value, byDefault, isLive, help }: OptionSpec): string[] {
  const isOn = value.kind === 'switch' && byDefault === 'yes';
  const flags =
    value.kind === 'switch' ? `\`${isOn ? `--no-${flag.slice(2)}` : flag}\`` : `\`${flag} <${value.word}>\``;
  const allowed =
    value.kind === 'timeouts'
      ? `a table of ${Object.keys(TIMEOUT_NAMES).join(', ')} and seconds`
      : allowedBy(value);
  return [
    key === null ? '' : `\`${key}\``,
    flags,
    allowed,
    byDefault,
    key === null ? '' : isLive ? 'at once' : 'restart',
    help,
  ];
}

/** Types of Parquet columns, as its documents call them. */
function parquetRows(): string[][] {
  const names: Record<ColumnType, string> = {
    boolean: 'BOOLEAN',
    int32: 'INT32',
    int64: 'INT64',
    double: 'DOUBLE',
    string: 'BYTE_ARRAY, STRING',
    octets: 'BYTE_ARRAY',
    time: 'INT64, TIMESTAMP (NANOS, UTC)',
    'int32 list': 'LIST of INT32',
    'string list': 'LIST of STRING',
  };
  const of = (type: ColumnType): string =>
    TYPED_COLUMNS.filter((column) => column.type === type)
      .map(({ name }) => `\`${name}\``)
      .join(' ');
  return Object.entries(names).map(([type, name]) => [name, of(type as ColumnType)]);
}

function viewText({ name, help, columns }: View): string {
  const rows = columns.map((column) => [`\`${column.name}\`${column.isKey ? ' *' : ''}`, column.help]);
  return [`### ${name}`, '', help, '', table(['column', 'what it says'], rows)].join('\n');
}

function metricRows(): string[][] {
  const typeOf = (name: string, isGauge = !name.endsWith('_total')): string =>
    isGauge ? 'gauge' : 'counter';
  const capture = CAPTURE_FAMILIES.map(({ name, help, label, parts }: CaptureFamily) => [
    `\`${name}\``,
    typeOf(name),
    [
      'netns',
      'interface',
      ...(label === undefined ? [] : [`${label} (${Object.keys(parts).join(', ')})`]),
    ].join(', '),
    help,
  ]);
  const route = ROUTE_FAMILIES.map(({ name, help }) => [`\`${name}\``, typeOf(name), 'netns', help]);
  const engine = Object.values(ENGINE_FAMILIES).map(({ name, help }) => [
    `\`${name}\``,
    typeOf(name),
    name === ENGINE_FAMILIES.info.name ? 'version' : '',
    help,
  ]);
  return [...capture, ...route, ...engine];
}

function table(titles: string[], rows: string[][]): string {
  const line = (cells: string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n');
}
