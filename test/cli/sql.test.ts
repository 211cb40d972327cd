import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, test } from 'vitest';
import { tableText, uniqueNames } from '../../cli/sql/rows.ts';
import { openSqlSession } from '../../cli/sql/session.ts';
import { VIEWS } from '../../cli/sql/views.ts';
import type { FlowDatabase } from '../../storage/database.ts';
import { flowSql } from '../../storage/flow-rare.ts';
import { pathOf } from '../docs/tables.ts';
import { MAIN } from '../support/nstap.ts';
import { nstap } from './run-cli.ts';
import { sampleDb } from './sample-db.ts';

/** One file, and the same flows in partitions. */
const paths: string[] = [];
const sessions: FlowDatabase[] = [];

beforeAll(() => {
  const samples = [sampleDb(false), sampleDb(true)];
  for (const { path } of samples) {
    paths.push(path);
    sessions.push(openSqlSession(path, 1_700_000_100_000_000_000n));
  }
  return () => {
    for (const db of sessions) db.close();
    for (const { remove } of samples) remove();
  };
});

async function sql(statement: string, ...args: string[]) {
  return await nstap(['sql', statement, '--db', paths[0]!, ...args]);
}

const FLOWS = VIEWS.find(({ name }) => name === 'flows')!;
/** Never comes to an end. */
const ENDLESS = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n';

describe('views', () => {
  test.each(VIEWS.map(({ name }) => name))(
    '%s has the columns that are documented, in one file and in several',
    (name) => {
      const view = VIEWS.find((each) => each.name === name)!;
      const found = sessions.map((db) => {
        const statement = db.prepare<[], Record<string, unknown>>(`SELECT * FROM ${name}`).safeIntegers();
        expect(statement.columns().map((column) => column.name)).toEqual(
          view.columns.map((column) => column.name),
        );
        return statement.all();
      });
      // Of the run only the times and the process differ.
      const same = (rows: Record<string, unknown>[]) =>
        rows.map(({ started, started_ns, ended, ended_ns, opened, opened_ns, ...rest }) => rest);
      if (name !== 'flows' && name !== 'flow_routes' && name !== 'flow_series')
        expect(same(found[0]!)).toEqual(same(found[1]!));
      else expect(found[0]).toHaveLength(found[1]!.length);
    },
  );

  test('flows says what `nstap flows --format json` says', async () => {
    for (const [i, path] of paths.entries()) {
      const { stdout } = await nstap(['flows', '--db', path, '--format', 'json', '--sort', '+flow_id']);
      const json = JSON.parse(stdout) as Record<string, unknown>[];
      const rows = sessions[i]!.prepare<[], Record<string, unknown>>(
        'SELECT * FROM flows ORDER BY flow_id',
      ).all();
      expect(rows).toHaveLength(6);
      const same = Object.keys(json[0]!).filter((key) => Object.hasOwn(rows[0]!, key));
      expect(same.length).toBeGreaterThan(70);
      for (const [n, flow] of json.entries()) {
        const row = rows[n]!;
        const { originator_guessed, payload_fwd, payload_rev, hints, ...plain } = row;
        expect(originator_guessed === null ? null : originator_guessed === 1).toBe(flow.originator_guessed);
        expect([payload_fwd, payload_rev, hints]).toEqual([flow.payload_fwd, flow.payload_rev, flow.hints]);
        for (const key of same.filter((each) => Object.hasOwn(plain, each)))
          expect([key, row[key]]).toEqual([key, flow[key]]);
        for (const way of ['route_fwd', 'route_rev']) {
          const route = flow[way] as Record<string, unknown> | null;
          for (const [key, value] of Object.entries(route ?? { type: null, text: null }))
            expect(row[`${way}_${key}`]).toBe(value);
        }
      }
    }
  });

  test.each(FLOWS.columns.filter(({ isKey }) => isKey).map(({ name }) => name))(
    'flows are found by %s from an index',
    (name) => {
      for (const db of sessions) {
        const plan = db
          .prepare<[], { detail: string }>(
            `EXPLAIN QUERY PLAN SELECT start_ns, src, dst FROM flows WHERE ${name} = 1`,
          )
          .all()
          .map(({ detail }) => detail);
        expect(plan.filter((line) => /^SEARCH f USING/.test(line)).length).toBeGreaterThan(0);
        expect(plan.join('\n')).not.toMatch(/SCAN f/);
      }
    },
  );

  test('what costs something to make is in front of the 64th column, where SQLite leaves out what is not asked for', () => {
    // What is in `rare` costs no more than a column: of most flows that is NULL.
    const last = FLOWS.columns.findLastIndex(
      ({ name, sql: made }) => made !== flowSql(name) && !/^f\.\w+( \/ 1000\.0)?$/.test(made),
    );
    expect(last).toBeGreaterThan(50);
    expect(last).toBeLessThan(63);
  });

  test('the newest are read in their order, and nothing is sorted; of an address or port only what it has', () => {
    for (const db of sessions) {
      const plan = (where: string): string =>
        db
          .prepare<[], { detail: string }>(
            `EXPLAIN QUERY PLAN SELECT start_ns, src FROM flows WHERE ${where} ORDER BY start_ns DESC LIMIT 3`,
          )
          .all()
          .map(({ detail }) => detail)
          .join('\n');
      for (const where of ["start_ns >= ns('2023-01-01T00:00:00Z')", 'capture_id = 1'])
        expect(plan(where)).not.toMatch(/TEMP B-TREE|SCAN f/);
      for (const where of [
        "src_ip = ip('10.1.0.2')",
        "dst_ip = ip('10.1.0.2')",
        'src_port = 1',
        'dst_port = 1',
      ])
        expect(plan(where)).toMatch(/^SEARCH f USING INDEX flows_\w+ \(ANY\(<expr>\) AND \w+=\?\)$/m);
    }
  });
});

describe('functions', () => {
  test.each([
    ["hex(ip('10.0.0.1'))", '0A000001'],
    ["ip_text(ip('2001:DB8:0::1'))", '2001:db8::1'],
    ['ip_text(NULL)', null],
    ["hex(net_first('10.1.2.3/8')) || hex(net_last('10.1.2.3/8'))", '0A0000000AFFFFFF'],
    ["hex(net_last('2001:db8::/127'))", '20010DB8000000000000000000000001'],
    [
      "in_net(ip('10.1.2.3'), '10.0.0.0/8') || in_net(ip('11.1.2.3'), '10.0.0.0/8') || in_net(ip('::'), '0.0.0.0/0')",
      '100',
    ],
    ["ns('2023-11-14T22:13:20.5Z')", 1_700_000_000_500_000_000n],
    ["ns('10s')", 1_700_000_090_000_000_000n],
    ['time_text(1700000000123456789)', '2023-11-14T22:13:20.123456789Z'],
    ['time_text(-1)', '1969-12-31T23:59:59.999999999Z'],
    ['tcp_flags_text(18)', 'AS'],
    ["mac_text(x'00163e0a0b0c')", '00:16:3e:0a:0b:0c'],
  ])('%s', (call, wanted) => {
    expect(sessions[0]!.prepare(`SELECT ${call}`).pluck().safeIntegers().get()).toEqual(wanted);
  });

  test('say what is wrong with what they are given, and nothing is printed', async () => {
    const run = await sql("SELECT ip('10.0.0')");
    expect(run).toEqual({ status: 1, stdout: '', stderr: 'nstap: sql: ip: "10.0.0" is not an address\n' });
  });
});

describe('formats', () => {
  const statement = `SELECT 1 AS n, 9007199254740993 AS big, 0.5 AS half, 'a "b", c' AS text, x'00ff' AS octets, NULL AS none, 2 AS n`;

  test('CSV in a pipe', async () => {
    const { stdout } = await sql(statement);
    expect(stdout).toBe('n,big,half,text,octets,none,n:1\n1,9007199254740993,0.5,"a ""b"", c",00ff,,2\n');
  });

  test('JSON keeps all digits', async () => {
    const object =
      '{"n":1,"big":9007199254740993,"half":0.5,"text":"a \\"b\\", c","octets":"00ff","none":null,"n:1":2}';
    expect((await sql(statement, '--json')).stdout).toBe(`[\n${object}\n]\n`);
    expect((await sql(statement, '--format', 'ndjson')).stdout).toBe(`${object}\n`);
    expect((await sql('SELECT 1 AS a WHERE 0', '--json')).stdout).toBe('[]\n');
    expect(JSON.parse((await sql('SELECT 9e999 AS a, -9e999 AS b', '--json')).stdout)).toEqual([
      { a: Infinity, b: -Infinity },
    ]);
  });

  test('a table, and below each other what is wider than the terminal', async () => {
    expect((await sql("SELECT 10 AS n, 'x' AS t UNION ALL SELECT 5, NULL", '--format', 'table')).stdout).toBe(
      ' n  t\n10  x\n 5  NULL\n',
    );
    const plain = (line: string): string => line;
    const rows = [['a'.repeat(30), '\u001b[31mred', 5n]];
    expect([...tableText(['long', 'b', 'number'], rows, 30, plain)].join('')).toBe(
      `row 1\n  long    ${'a'.repeat(30)}\n  b       \\x1b[31mred\n  number  5\n`,
    );
    expect([...tableText(['long', 'b', 'number'], rows, 80, plain)].join('')).toMatch(/^long +b +number\n/);
  });

  test('many rows arrive, each once', async () => {
    const many =
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT i FROM n';
    const { stdout } = await sql(many);
    expect(stdout).toBe(`i\n${Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join('')}`);
  });

  test('names of columns differ', () => {
    expect(uniqueNames(['a', 'a', 'a:1', 'b', 'a'])).toEqual(['a', 'a:1', 'a:1:1', 'b', 'a:2']);
  });

  test('a statement from stdin', async () => {
    const child = spawn(process.execPath, [MAIN, 'sql', '-', '--db', paths[1]!], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end('-- how many\nSELECT count(*) AS flows\nFROM flows;\n');
    const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    expect([output, status]).toEqual(['flows\n6\n', 0]);
  });

  test('--schema lists views, columns and functions', async () => {
    const all = (await nstap(['sql', '--schema'])).stdout;
    for (const { name } of VIEWS) expect(all).toContain(`${name}  `);
    expect(all).toContain('* src_ip ');
    expect(all).toContain("net_first('10.0.0.0/8')");
    expect((await nstap(['sql', '--schema', 'gaps'])).stdout).not.toContain('src_ip');
    expect(JSON.parse((await nstap(['sql', '--schema', 'gaps', '--json'])).stdout)).toMatchObject([
      { view: 'gaps' },
    ]);
    const wrong = await nstap(['sql', '--schema', 'nothing']);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain('there is no view nothing; there are flows, routes');
  });
});

describe('nothing can be changed', () => {
  test.each([
    'DELETE FROM flows',
    'INSERT INTO main.experiments (name, started_ns) VALUES (1, 2)',
    'DROP VIEW flows',
    "ATTACH '/tmp/nstap-other.db' AS other",
    'PRAGMA query_only = OFF',
    'PRAGMA main.journal_mode = DELETE',
    "VACUUM INTO '/tmp/nstap-copy.db'",
    'CREATE TEMP TABLE t (a)',
    'BEGIN',
    '/* SELECT */ REPLACE INTO main.meta VALUES (1, 2)',
    'WITH a AS (SELECT 1) DELETE FROM main.experiments RETURNING 1',
    'WITH a AS (SELECT 1) INSERT INTO main.experiments (name, started_ns) SELECT 1, 2 FROM a',
    'SELECT 1; DELETE FROM main.experiments',
  ])('%s', async (statement) => {
    const run = await sql(statement);
    expect(run.status).toBe(2);
    expect(run.stdout).toBe('');
    expect(run.stderr).toMatch(
      /^nstap: SQL: (\w+ is not possible here|only statements that read|one statement at a time|there is no)/,
    );
  });

  test('nor can code be loaded', async () => {
    const run = await sql("SELECT load_extension('/tmp/x.so')");
    expect(run.status).not.toBe(0);
    expect(run.stderr).toMatch(/not authorized/);
  });

  test('SQLite itself refuses as well', () => {
    expect(() => sessions[0]!.exec('DELETE FROM main.flows')).toThrow(/readonly|query_only/);
    expect(() => sessions[0]!.exec('CREATE TEMP TABLE t (a)')).toThrow(/readonly/);
  });
});

describe('a mistake', () => {
  test.each([
    ['SELECT srcc FROM flows', 'srcc', 'no such column: srcc; did you mean src?'],
    ['SELECT f.dst_prt FROM flows f', 'f.dst_prt', 'no such column: f.dst_prt; did you mean dst_port?'],
    ['SELECT 1 FROM flow', 'flow', 'no such table: flow; did you mean flows?'],
    ["SELECT ipp('1.1.1.1')", 'ipp', 'no such function: ipp; did you mean ip?'],
    ["SELECT 'FROM' FROM FROM flows", 'FROM flows', 'near "FROM": syntax error'],
    ['SELECT a FROM (SELECT 1 AS a) WHERE a = = 1', '= 1', 'near "=": syntax error'],
    ['SELECT 1 FROM flows,\n  routes WHERE\n    bogus = 1', 'bogus', 'no such column: bogus'],
    ['SELECT type FROM routes a, routes b', 'type', 'ambiguous column name: type'],
    ['SELECT #', '#', 'unrecognized token: "#"'],
  ])('%s', async (statement, place, message) => {
    const run = await sql(statement);
    expect([run.status, run.stdout]).toEqual([2, '']);
    const [first, line, caret] = run.stderr.split('\n');
    expect(first).toContain(`nstap: SQL: ${message}`);
    expect(line!.slice(caret!.indexOf('^'))).toMatch(new RegExp(`^${place.replaceAll('.', '\\.')}`));
  });

  test('of a statement that is not whole, or is none', async () => {
    expect((await sql('SELECT (1')).stderr).toBe(
      'nstap: SQL: the statement is not complete\n  SELECT (1\n           ^\n',
    );
    expect((await sql(' -- nothing\n')).stderr).toBe('nstap: SQL: there is no statement\n');
    const none = await nstap(['sql']);
    expect([none.status, none.stderr]).toEqual([2, expect.stringContaining('a statement is needed')]);
  });

  test('of the database', async () => {
    const run = await nstap(['sql', 'SELECT 1', '--db', '/nonexistent/flows.db']);
    expect([run.status, run.stderr]).toEqual([1, expect.stringContaining('NSTAP_MISSING')]);
  });
});

describe('a statement without end', () => {
  test('is ended by --timeout', async () => {
    const run = await sql(ENDLESS, '--timeout', '300ms');
    expect([run.status, run.stdout]).toEqual([1, '']);
    expect(run.stderr).toMatch(/^nstap: sql: not done after 300ms/);
    expect((await sql(ENDLESS, '--timeout', 'soon')).status).toBe(2);
  });

  test('is ended by Ctrl-C', async () => {
    const statement = ENDLESS.replace('count(*) FROM n', 'i FROM n WHERE i < 1000');
    const child = spawn(process.execPath, [MAIN, 'sql', statement, '--db', paths[0]!], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    // The first rows are out: it looks for the next ones.
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
  });
});

test('the examples of docs/sql.md run, in one file and in several', () => {
  const page = readFileSync(pathOf('docs/sql.md'), 'utf8');
  const examples = [...page.matchAll(/```sql\n(.*?)```/gs)].map(([, statement]) => statement!);
  const inShell = [...page.matchAll(/nstap sql (?:--json )?"(SELECT [^"]*)"/g)].map(
    ([, statement]) => statement!,
  );
  expect(examples.length).toBeGreaterThan(5);
  for (const statement of [...examples, ...inShell.filter((each) => !each.includes('srcc'))])
    for (const db of sessions) {
      const rows = db.prepare(statement).all();
      if (!statement.includes('losses') && !statement.includes('experiments'))
        expect([statement, rows.length > 0]).toEqual([statement, true]);
    }
});
