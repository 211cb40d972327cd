import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, test } from 'vitest';
import { MAIN } from '../support/nstap.ts';

const SAVEFILE = readFileSync(new URL('../../fixtures/demo/client.pcap', import.meta.url));
const FILE_HEADER_LEN = 24;
const MORE_THAN_A_PIPE = 4 << 20;
const hasScript = spawnSync('script', ['--version']).status === 0;

const scratch = mkdtempSync(join(tmpdir(), 'nstap-interrupt-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function query<T>(db: string, sql: string): T[] {
  const sqlite = new Database(db, { readonly: true });
  try {
    return sqlite.prepare(sql).all() as T[];
  } finally {
    sqlite.close();
  }
}

/** Opens a FIFO for writing as soon as somebody reads it, and writes nothing. @returns its descriptor */
async function writerOf(fifo: string): Promise<number> {
  for (;;) {
    try {
      return openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
      await sleep(20);
    }
  }
}

describe('Ctrl-C while a replay reads', () => {
  test('stores what was read, says so, and ends with 130', async () => {
    const db = join(scratch, 'endless.db');
    const child = spawn(process.execPath, [MAIN, 'replay', '--db', db, '--json', '-']);
    let stderr = '';
    let stdout = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stdin.on('error', () => {}); // the reader ends first, and that is meant
    const exited = once(child, 'close');
    const records = SAVEFILE.subarray(FILE_HEADER_LEN);
    const many = Array.from({ length: Math.ceil(MORE_THAN_A_PIPE / records.length) }, () => records);
    // Taken whole: the greater part is read then.
    await promisify(child.stdin.write.bind(child.stdin) as (bytes: Buffer, done: () => void) => void)(
      Buffer.concat([SAVEFILE, ...many]),
    );
    child.kill('SIGINT');
    // Packets go on coming, so that it notices.
    while (child.exitCode === null && child.signalCode === null) {
      child.stdin.write(records);
      await sleep(20);
    }
    const [status] = await exited;
    expect(stderr).toBe('nstap: interrupted: what was read until then is stored\n');
    expect(status).toBe(130);
    const { packets } = JSON.parse(stdout) as { packets: number };
    expect(packets).toBeGreaterThan(0);
    expect(query(db, 'SELECT packets, ended FROM captures')).toEqual([{ packets, ended: 1 }]);
    expect(
      query(
        db,
        "SELECT DISTINCT name FROM flows JOIN end_reasons ON code = end_reason WHERE name = 'shutdown'",
      ),
    ).toEqual([{ name: 'shutdown' }]);
  });

  test('does not wait for a FIFO that nobody writes', async () => {
    const db = join(scratch, 'silent.db');
    const fifo = join(scratch, 'fifo');
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
    const child = spawn(process.execPath, [MAIN, 'replay', '--db', db, fifo], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const exited = once(child, 'close');
    const writer = await writerOf(fifo);
    child.kill('SIGINT');
    expect(await exited).toEqual([130, null]);
    expect(stderr).toBe('nstap: interrupted: flows that had not ended are not stored\n');
    closeSync(writer);
  });

  test.skipIf(!hasScript)('gives the terminal back its cursor (needs script(1))', async () => {
    const db = join(scratch, 'terminal.db');
    const command = `'${process.execPath}' '${MAIN}' replay --db '${db}' -`;
    // Its input is that of the terminal: a savefile in front of it shows the bar, then it is silent.
    const feed = `(cat '${new URL('../../fixtures/demo/client.pcap', import.meta.url).pathname}'; exec sleep 60) | ${command}`;
    const child = spawn('script', ['-qec', feed, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
    let screen = '';
    let isSent = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
      if (isSent || !screen.includes('packets |')) return;
      isSent = true;
      child.stdin.write('\x03');
    });
    await once(child, 'close');
    expect(screen).toContain('\x1b[?25l');
    expect(screen.lastIndexOf('\x1b[?25h')).toBeGreaterThan(screen.lastIndexOf('\x1b[?25l'));
  });
});
