import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pcapFile } from '../decoders/savefile-build.ts';
import { oldDb } from '../storage/old-db.ts';
import { readFlows, tempFolder } from '../storage/temp-db.ts';
import { frame } from '../support/frames.ts';
import { nstap } from '../support/nstap.ts';

test('a replay says that it brings a database of an older nstap up to date, and why that takes time', () => {
  const folder = tempFolder();
  const [db, file] = [join(folder, 'flows.db'), join(folder, 'one.pcap')];
  oldDb(db, 12).close();
  writeFileSync(file, pcapFile([{ sec: 1, fraction: 0, data: Uint8Array.from(frame({ payload: 40 })) }]));
  const read = nstap(['flows', '--db', db]);
  expect([read.status, read.stderr]).toEqual([
    1,
    expect.stringContaining('schema version 12 of an older nstap'),
  ]);
  const upgraded = `nstap: warning: ${db} is of an older nstap and is brought up to date, some 8 s a million flows\n`;
  expect(nstap(['replay', file, '--db', db])).toMatchObject({
    status: 0,
    stderr: expect.stringContaining(upgraded),
  });
  expect(nstap(['replay', file, '--db', db]).stderr).not.toContain('older nstap');
  expect(readFlows(db)).toHaveLength(2);
});
