import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from '../storage/records.ts';
import { MAIN } from '../support/nstap.ts';

/** More than a pseudo-terminal, a pipe and the programs between take in before the key arrives, on a busy machine too. */
const BATCHES = 5;
const FLOWS_A_BATCH = 8000;
const FLOWS = BATCHES * FLOWS_A_BATCH;
const hasScript = spawnSync('script', ['--version']).status === 0;

const scratch = mkdtempSync(join(tmpdir(), 'nstap-output-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

// Writes to a terminal are synchronous: without a turn of the event loop between two, no signal would be heard.
test.skipIf(!hasScript)('Ctrl-C ends long output on a terminal (needs script(1))', async () => {
  const db = join(scratch, 'large.db');
  const writer = new FlowWriter(db, TEST_RUN);
  const channel = writer.channel();
  writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
  for (let first = 0; first < FLOWS; first += FLOWS_A_BATCH) {
    const records = Array.from({ length: FLOWS_A_BATCH }, (_, i) => ({ seq: first + i }));
    writer.write([[channel, { type: 'batch', batch: batchOf(...records) }]]);
  }
  writer.close();

  const command = `'${process.execPath}' '${MAIN}' flows --no-pager --db '${db}' --format csv`;
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const closed = once(child, 'close');
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  await once(child.stdout, 'data');
  // Nobody reads on, so that it is in the middle of its output when the key comes.
  child.stdout.pause();
  child.stdin.write('\x03');
  await sleep(200);
  child.stdout.resume();
  const [status] = await closed;
  expect(status).toBe(130);
  expect(screen.split('\n').length).toBeLessThan(FLOWS / 2);
});
