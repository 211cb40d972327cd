import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, test } from 'vitest';
import { frame } from '../support/frames.ts';
import { nstap } from '../support/nstap.ts';

const scratch = mkdtempSync(join(tmpdir(), 'nstap-replay-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Writes a pcap of so many one-packet UDP flows. @returns its path */
function capture(name: string, flows: number): string {
  const path = join(scratch, name);
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  const records = Array.from({ length: flows }, (_, i) => {
    const bytes = frame({ proto: 'udp', src: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` });
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1_700_000_000, 0);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length, 12);
    return Buffer.concat([record, bytes]);
  });
  writeFileSync(path, Buffer.concat([header, ...records]));
  return path;
}

/** Writes a pcapng without packets, of so many interfaces. @returns its path */
function interfaces(name: string, count: number): string {
  const path = join(scratch, name);
  const block = (type: number, ...words: number[]): Buffer => {
    const length = 12 + words.length * 4;
    return Buffer.from(Uint32Array.from([type, length, ...words, length]).buffer);
  };
  const section = block(0x0a0d0d0a, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff);
  const one = block(1, 1, 0);
  writeFileSync(path, Buffer.concat([section, ...new Array<Buffer>(count).fill(one)]));
  return path;
}

describe('a replay with more interfaces than a key can tell apart', () => {
  test('stores the files before, and names the file that is too much', () => {
    const files = [capture('first.pcap', 3), interfaces('many.pcapng', 65_535), capture('last.pcap', 5)];
    const db = join(scratch, 'interfaces.db');
    const { status, stdout, stderr } = nstap(['replay', '--json', '--db', db, ...files]);
    expect(stderr).toContain('last.pcap: more than 65536 interfaces in one replay');
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      packets: 3,
      flows: 3,
      errors: [{ file: files[2], offset: null, reason: 'more than 65536 interfaces in one replay' }],
    });
  });
});

describe('a replay whose storage fails', () => {
  test('ends with the reason and with status 1, also when the reader waits for storage', () => {
    const db = join(scratch, 'refusing.db');
    expect(nstap(['replay', '--db', db, capture('one.pcap', 1)]).status).toBe(0);
    const sqlite = new Database(db);
    sqlite.exec(
      `CREATE TRIGGER refuse BEFORE INSERT ON flows BEGIN SELECT RAISE(ABORT, 'refused for the test'); END`,
    );
    sqlite.close();
    // More records than all batches hold, so that the reading thread waits for one to come back.
    const { status, stderr, stdout } = nstap(['replay', '--db', db, capture('many.pcap', 50_000)]);
    expect(stderr).toContain('refused for the test');
    expect(stdout).toBe('');
    expect(status).toBe(1);
  });
});

describe('a replay of more flows than the queue holds', () => {
  test('waits for storage and loses none', () => {
    const db = join(scratch, 'many.db');
    const { status, stdout } = nstap(['replay', '--json', '--db', db, capture('many.pcap', 50_000)]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ packets: 50_000, flows: 50_000 });
    const sqlite = new Database(db, { readonly: true });
    const row = sqlite.prepare('SELECT count(*) AS flows, sum(packets_fwd) AS packets FROM flows').get();
    sqlite.close();
    expect(row).toEqual({ flows: 50_000, packets: 50_000 });
  });
});
