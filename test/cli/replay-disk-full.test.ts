import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pcapFile } from '../decoders/savefile-build.ts';
import { withDb } from '../storage/temp-db.ts';
import { frame } from '../support/frames.ts';
import { type CliResult, nstap } from '../support/nstap.ts';

/** Flows of a packet each, from as many ports. Their rows take 1.3 MB, their indexes 1 MB. */
const FLOWS = 8000;

describe.skipIf(process.getuid!() !== 0).each([
  {
    when: 'makes the indexes',
    kib: 2400,
    what: 'make the indexes of the flows that are stored in',
    isIndexed: false,
  },
  { when: 'folds its log into the database', kib: 3600, what: 'close', isIndexed: true },
])('a first replay whose disk is full when it $when (needs root: mount)', ({ kib, what, isIndexed }) => {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-replay-full-'));
  const db = join(folder, 'flows.db');
  const pcap = join(folder, 'in.pcap');
  let run: CliResult;

  beforeAll(() => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'nstap-test', folder]);
    const packet = (i: number) => ({
      sec: 1,
      fraction: i,
      data: Uint8Array.from(frame({ proto: 'udp', sport: i + 1, dport: 53 })),
    });
    writeFileSync(pcap, pcapFile(Array.from({ length: FLOWS }, (_, i) => packet(i))));
    resize(kib);
    run = nstap(['replay', '--db', db, pcap]);
  });
  afterAll(() => {
    execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });

  function resize(toKib: number): void {
    execFileSync('mount', ['-o', `remount,size=${toKib}k`, folder]);
  }

  function found(...filter: string[]): string[] {
    const { status, stdout, stderr } = nstap([
      'flows',
      '--db',
      db,
      '--format',
      'csv',
      '--limit',
      '0',
      ...filter,
    ]);
    expect([status, stderr]).toEqual([0, '']);
    return stdout.trimEnd().split('\n').slice(1);
  }

  /** A new connection has the schema of the moment. */
  function indexes(): unknown[] {
    const query = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'flows'";
    return withDb(db, (database) => database.prepare(query).pluck().all());
  }

  test('it says what could not be done, where, why, and what to do; the flows are there', () => {
    expect(run.status).toBe(1);
    expect(run.stderr).toBe(
      `nstap: ${what} ${db}: SQLITE_FULL, database or disk is full ` +
        '(free space on that file system, or choose another with --db)\n',
    );
    expect(indexes().length > 0).toBe(isIndexed);
    expect(found()).toHaveLength(FLOWS);
    expect(found('src', 'port', '4711')).toHaveLength(1);
  });

  test('whoever writes there next says the same while there is no room, and harms nothing', () => {
    const next = nstap(['replay', '--db', db, pcap]);
    expect(next.status).toBe(1);
    expect(next.stderr).toMatch(/^nstap: .*SQLITE_FULL.*free space on that file system/);
    expect(next.stderr).toContain(db);
    expect(found()).toHaveLength(FLOWS);
  });

  test('with room, whoever writes there next does it, and all is there', () => {
    resize(65_536);
    const next = nstap(['replay', '--db', db, pcap]);
    expect([next.status, next.stderr]).toEqual([0, '']);
    expect(indexes().length).toBeGreaterThan(5);
    expect(found()).toHaveLength(2 * FLOWS);
    expect(found('src', 'port', '4711')).toHaveLength(2);
    withDb(db, (database) => {
      expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    });
  });
});
