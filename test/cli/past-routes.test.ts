import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeUpdate } from '../../daemon/routes/update-codec.ts';
import type { RouteUpdate } from '../../daemon/routes/update.ts';
import { FlowWriter, type WriteRequest } from '../../storage/writer.ts';
import { contextOf, Teller } from '../routes/teller.ts';
import { TEST_RUN } from '../storage/records.ts';
import { tempDb, tempFolder } from '../storage/temp-db.ts';
import { nstap } from '../support/nstap.ts';

/** 2026-11-23T10:00:00Z */
const T0_SEC = 1_795_428_000;

const time = (sec: number): string => new Date((T0_SEC + sec) * 1000).toISOString().replace('.000Z', 'Z');
const exact = (sec: number): string => time(sec).replace('Z', '.000000000Z');

interface Stored {
  netns?: string;
  netnsId?: string;
}

function stored(sec: number, update: RouteUpdate, { netns = 'red', netnsId = '4:1' }: Stored = {}) {
  const request: WriteRequest = {
    type: 'routeUpdate',
    netns,
    netnsId,
    atNs: BigInt(T0_SEC + sec) * 1_000_000_000n,
    isFull: update.isFull,
    data: encodeUpdate(update),
  };
  return request;
}

const gap = (sec: number): WriteRequest => ({
  type: 'routeGap',
  netns: 'red',
  netnsId: '4:1',
  atNs: BigInt(T0_SEC + sec) * 1_000_000_000n,
  lost: 1,
});

/** Writes a run that has ended, or whose process is this one and has not. */
function write(path: string, requests: WriteRequest[], ends = true): FlowWriter {
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  writer.write(requests.map((request) => [channel, request] as const));
  if (ends) writer.close();
  return writer;
}

const full = (teller: Teller, ...lines: string[]): RouteUpdate =>
  teller.update(lines, { isFull: true, context: contextOf() });

/** Default by d0 from T0 on, by d1 from T0 + 60 on. */
function twoDefaults(more: Stored = {}): WriteRequest[] {
  const teller = new Teller();
  return [
    stored(0, full(teller, 'default via 10.9.0.2 dev d0'), more),
    stored(60, teller.update(['default via 10.9.1.2 dev d1']), more),
  ];
}

describe('routes --at', () => {
  test('shows the tables as they were, and says on stderr since when', () => {
    const db = tempDb();
    write(db, twoDefaults());
    const then = nstap(['routes', '--netns', 'red', '--at', time(59), '--db', db]);
    expect(then.stdout).toContain('IPv4 table main\n  default via 10.9.0.2 dev d0\n');
    expect(then.stderr).toBe(`nstap: red as it was since ${exact(0)}\n`);
    expect(then.status).toBe(0);
    const later = nstap(['routes', '--netns', 'red', '--at', time(60), '--db', db]);
    expect(later.stdout).toContain('IPv4 table main\n  default via 10.9.1.2 dev d1\n');
    expect(later.stderr).toContain(`nstap: red as it was since ${exact(60)}\n`);
  });

  test('--json is a snapshot of that time, which every command reads; snapshot save writes the same', () => {
    const db = tempDb();
    write(db, twoDefaults());
    const at = ['--netns', 'red', '--at', time(30), '--db', db];
    const { stdout } = nstap(['routes', '--json', ...at]);
    expect(JSON.parse(stdout)).toMatchObject({ takenAt: exact(30), source: 'kernel' });
    const folder = tempFolder();
    writeFileSync(join(folder, 'a.json'), stdout);
    expect(nstap(['routes', '--snapshot', join(folder, 'a.json')]).stdout).toBe(
      nstap(['routes', ...at]).stdout,
    );
    const saved = nstap(['snapshot', 'save', '-', ...at]);
    expect(saved.stdout).toBe(stdout);
    expect(saved.stderr).toContain(`nstap: red as it was since ${exact(0)}\nnstap: saved `);
  });

  test('route get --at decides as the kernel would have then', () => {
    const db = tempDb();
    write(db, twoDefaults());
    const gateway = (sec: number, ...more: string[]): unknown => {
      const words = ['route', 'get', '192.0.2.1', '--netns', 'red', '--db', db, '--json'];
      const { stdout, stderr } = nstap([...words, '--at', time(sec), ...more]);
      expect(stderr).toContain('red as it was since');
      return JSON.parse(stdout).gateway;
    };
    expect([gateway(30), gateway(90)]).toEqual(['10.9.0.2', '10.9.1.2']);
    const { status, stderr } = nstap(
      `route get 192.0.2.1 --netns red --db ${db} --at ${time(9)} --iif none`.split(' '),
    );
    expect(stderr).toContain('nstap: no interface none in red\n');
    expect(status).toBe(2);
  });

  test('uses the updates of the run that was on, and of a namespace that has the name by then', () => {
    const db = tempDb();
    write(db, twoDefaults());
    write(db, [stored(100, full(new Teller(), 'blackhole 10.5.0.0/16'), { netnsId: '4:2' })]);
    const shown = (sec: number) => nstap(['routes', '--netns', 'red', '--at', time(sec), '--db', db]);
    expect(shown(99).stdout).toContain('default via 10.9.1.2 dev d1\n');
    expect(shown(99).stdout).not.toContain('10.5.0.0/16');
    expect(shown(99).stderr).toContain(
      `nstap: note: from ${exact(100)} on, red is another namespace: it was re-created, or the host restarted\n`,
    );
    expect(shown(100).stdout).toContain('blackhole 10.5.0.0/16\n');
    expect(shown(100).stdout).not.toContain('default via');
  });

  test('notes what makes the answer uncertain: the daemon had ended, or nothing newer is stored', () => {
    const db = tempDb();
    write(db, twoDefaults());
    const notes = (...words: string[]): string[] =>
      nstap(['routes', '--netns', 'red', '--db', db, ...words])
        .stderr.split('\n')
        .filter((line) => line.startsWith('nstap: note: '));
    expect(notes('--at', '2200-01-01')).toEqual([
      expect.stringMatching(/the daemon that followed the routes ended at 20.*Z; what changed after that/),
    ]);
    expect(notes('--at', time(59))).toEqual([]);
    const writer = write(db, [stored(70, full(new Teller(), 'default dev d0'))], false);
    expect(notes('--at', time(90))).toEqual(['nstap: note: no later change is stored']);
    writer.close();
  });

  test('says which namespaces have a history when this one has none', () => {
    const db = tempDb();
    const names = Array.from({ length: 12 }, (_, i) => `n${String(i).padStart(2, '0')}`);
    write(
      db,
      names.flatMap((netns, i) => twoDefaults({ netns, netnsId: `5:${i}` })),
    );
    const { status, stdout, stderr } = nstap(['routes', '--at', time(0), '--db', db]);
    expect(stderr).toBe(
      `nstap: query ${db}: NSTAP_NO_HISTORY, the routes of host at ${exact(0)} are not known: there is a history of ${names.slice(0, 10).join(', ')}, and 2 more; choose one with --netns\n`,
    );
    expect([status, stdout]).toEqual([1, '']);
  });

  test('says so when the database has no history at all', () => {
    const db = tempDb();
    write(db, []);
    const { status, stderr } = nstap(['routes', '--at', time(0), '--db', db]);
    expect(stderr).toContain(
      'the database has no history of routes; `nstap daemon` keeps one unless it has --no-route-history\n',
    );
    expect(status).toBe(1);
  });

  test('says when the history begins when the time is before it', () => {
    const db = tempDb();
    write(db, twoDefaults());
    const { status, stderr } = nstap(['routes', '--netns', 'red', '--at', time(-1), '--db', db]);
    expect(stderr).toContain(
      `the routes of red at ${exact(-1)} are not known: their history begins at ${exact(0)}; ask for that time or a later one\n`,
    );
    expect(status).toBe(1);
  });

  test('says that changes were lost, and from when on they are known again', () => {
    const db = tempDb();
    const teller = new Teller();
    const known = stored(20, full(teller, 'default dev d1'));
    write(db, [stored(0, full(teller, 'default dev d0')), gap(10), known, gap(30)]);
    const reason = (sec: number) =>
      nstap(['routes', '--netns', 'red', '--at', time(sec), '--db', db]).stderr.split('; ')[1];
    expect(reason(15)).toBe(`they are known again from ${exact(20)} on\n`);
    expect(reason(35)).toBe('nothing newer is known\n');
    expect(nstap(['routes', '--netns', 'red', '--at', time(25), '--db', db]).status).toBe(0);
  });

  test('refuses a stored update that is damaged', () => {
    const db = tempDb();
    const update = stored(0, full(new Teller(), 'default dev d0')) as { data: Uint8Array };
    update.data = update.data.subarray(0, 20);
    write(db, [update as WriteRequest]);
    const { status, stderr } = nstap(['routes', '--netns', 'red', '--at', time(1), '--db', db]);
    expect(stderr).toMatch(/^nstap: stored route update: cannot be unpacked: .*\n$/);
    expect(status).toBe(1);
  });

  test.each([
    [['routes', '--at', 'soon'], 'cannot read the time "soon"'],
    [
      ['route', 'get', '1.1.1.1', '--db', 'x'],
      '--db names the database with the history, and needs --at beside it',
    ],
    [['routes', '--at', '1m', '--routes', 'x'], "cannot be used with option '--routes <file>'"],
    [['routes', '--at', '1m', '--snapshot', 'x'], "cannot be used with option '--snapshot <file>'"],
    [['routes', '--at', '1m', '--rules', 'x'], "cannot be used with option '--rules <file>'"],
    [['routes', '--at', '1m', '--addrs', 'x'], "cannot be used with option '--addrs <file>'"],
    [['route', 'get', '1.1.1.1', '--at', '1m', '--verify'], "cannot be used with option '--verify'"],
    [['snapshot', 'save', 'x.json', '--at', 'never'], 'cannot read the time "never"'],
  ])('%j is wrong usage', (words, message) => {
    const { status, stdout, stderr } = nstap(words);
    expect(stderr).toContain(message);
    expect([status, stdout]).toEqual([2, '']);
  });
});
