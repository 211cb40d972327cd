import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { UsageError } from '../../cli/errors.ts';
import { parseFilter } from '../../cli/filter/parse.ts';
import { KEYWORD_TOKENS, wordOf } from '../../cli/filter/tokens.ts';
import { LOG_EVENTS } from '../../daemon/log-events.ts';
import { parseToml } from '../../daemon/options/toml.ts';
import { predicateExamples, predicateRows } from './filter-page.ts';
import { pathOf, SCHEMA_FILE, schemaText, TABLES, withTable } from './tables.ts';

test.each(TABLES)('$page has the $name of the sources; `npm run docs` writes them', (each) => {
  expect(readFileSync(pathOf(each.page), 'utf8')).toBe(withTable(each));
});

test.each(predicateExamples())('docs/filters.md: %s is a filter', (example) => {
  expect(parseFilter(example)).not.toBeNull();
});

test('every word of the language is in an example or in the form of a predicate', () => {
  const told = predicateRows()
    .flat()
    .join(' ')
    .split(/[^\w-]+/);
  const unsaid = KEYWORD_TOKENS.map(wordOf).filter((word) => !told.includes(word));
  expect(unsaid).toEqual([]);
});

test('the mistake of docs/filters.md is the one that is printed', () => {
  const page = readFileSync(pathOf('docs/filters.md'), 'utf8');
  const [, expression, printed] = /\$ nstap flows '([^']*)'\nnstap: (filter: .*?\^)\n```/s.exec(page)!;
  expect(() => parseFilter(expression!)).toThrow(new UsageError(printed!));
});

test('the schema for editors is that of the sources, and takes the example of the page', () => {
  const schema = JSON.parse(readFileSync(pathOf(SCHEMA_FILE), 'utf8'));
  expect(schema).toEqual(JSON.parse(schemaText()));
  const [, example = ''] =
    /```toml\n(.*?)```/s.exec(readFileSync(pathOf('docs/configuration.md'), 'utf8')) ?? [];
  const validate = new Ajv().compile(schema);
  validate(parseToml(example, 'example').value);
  expect(validate.errors).toBeNull();
});

test('every event of the log is in the list, and the reverse', () => {
  const folder = pathOf('daemon');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && name !== 'log-events.ts')
    .map((name) => readFileSync(`${folder}/${name}`, 'utf8'))
    .join('\n');
  const used = [...sources.matchAll(/\bevent: '([a-z-]+)'/g)].map(([, event]) => event!);
  expect(used.length).toBeGreaterThan(30);
  expect(used.filter((event) => !Object.hasOwn(LOG_EVENTS, event))).toEqual([]);
  expect(Object.keys(LOG_EVENTS).filter((event) => !sources.includes(`'${event}'`))).toEqual([]);
});

test('docs/performance.md has every part of the benchmark', () => {
  const [, parts = ''] = /const PARTS = \[(.*?)\]/s.exec(readFileSync(pathOf('bench/main.ts'), 'utf8')) ?? [];
  const named = [...parts.matchAll(/'([\w-]+)'/g)].map(([, part]) => part!);
  const told = [
    ...readFileSync(pathOf('docs/performance.md'), 'utf8').matchAll(/npm run bench -- ([\w-]+)/g),
  ];
  expect(new Set(told.map(([, part]) => part))).toEqual(new Set(named));
  expect(named.length).toBeGreaterThan(5);
});
