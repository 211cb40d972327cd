import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { MAIN } from '../support/nstap.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { UdpSocket } from '../kernel/traffic.ts';
import { withDb } from '../storage/temp-db.ts';
import { TestDaemon } from './test-daemon.ts';

const missing = labMissing();
const NOBODY = 65534;
const LOCK_MS = 30_000;

/** A lab with a daemon that captures one side of a veth pair, and a disk of its own below its database. */
class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'nsd-fault-'));
  readonly disk = join(this.folder, 'disk');
  readonly db = join(this.disk, 'flows.db');
  readonly lab = new Lab('flt');
  daemon: TestDaemon | null = null;
  sent = 0;
  #udp: UdpSocket[] = [];
  #from = '';

  constructor() {
    chmodSync(this.folder, 0o755);
    mkdirSync(this.disk);
  }

  /** Starts the daemon on the disk as it is. */
  async start(maxFlows = 100_000): Promise<TestDaemon> {
    chownSync(this.disk, NOBODY, NOBODY);
    const [a, b] = [this.lab.add('a'), this.lab.add('b')];
    this.#from = a;
    this.lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    // Nobody listens there: answers would be ICMP, and flows of their own.
    const options = { netns: [b], interfaces: ['v0'], filter: 'udp', checkpointSec: 1, maxFlows };
    const daemon = new TestDaemon(this.db, options, 'real');
    this.daemon = daemon;
    await daemon.until('it captures', () => daemon.events('capture-opened').length === 1);
    return daemon;
  }

  /** Sends a datagram to each of so many ports: a flow each, for the first time or again. */
  send(ports: number): void {
    this.#udp[0] ??= new UdpSocket(this.lab, this.#from, 4, { port: 5000 });
    for (let i = 0; i < ports; i++) this.#udp[0].send('10.9.0.2', 10_000 + i, 100);
    this.sent += ports;
  }

  /** Counters of the only capture, and what its flows hold. */
  totals(): Record<string, number> {
    return withDb(this.db, (db) => ({
      ...(db
        .prepare(
          `SELECT sum(packets) AS packets, sum(decoded_ipv4 + undecoded) AS decoded, sum(kernel_drops) AS drops,
                  sum(shed_records) AS shed, sum(evicted_flows) AS evicted FROM captures`,
        )
        .get() as Record<string, number>),
      ...(db
        .prepare('SELECT count(*) AS flows, sum(packets_fwd + packets_rev) AS metered FROM flows')
        .get() as Record<string, number>),
    }));
  }

  async close(): Promise<void> {
    for (const udp of this.#udp.splice(0)) udp.close();
    if (this.daemon !== null && this.daemon.code === undefined) await this.daemon.end('SIGKILL');
    this.lab.close();
    for (let i = 0; i < 2; i++) {
      try {
        execFileSync('umount', ['-l', this.disk], { stdio: 'ignore' });
      } catch {
        // Not mounted: not every scene has a disk of its own.
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Writes zeros into a new file until its disk is full; others may write there meanwhile. */
function fill(path: string): void {
  const fd = openSync(path, 'w');
  const piece = Buffer.alloc(1 << 16);
  try {
    for (let size = piece.length; size > 0; ) {
      try {
        writeSync(fd, piece, 0, size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        size >>= 1;
      }
    }
  } finally {
    closeSync(fd);
  }
}

function check(db: string): unknown {
  return withDb(db, (opened) => opened.pragma('integrity_check', { simple: true }));
}

describe.skipIf(missing !== null)(`trouble with the disk${missing ? ` (${missing})` : ''}`, () => {
  let scene: Scene;
  afterEach(() => scene.close());

  test('a disk that is full and has room again costs no record', async () => {
    scene = new Scene();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'nstap-test', scene.disk]);
    const daemon = await scene.start();
    scene.send(100);
    await until('they are stored', () => scene.totals().metered === 100);
    const ballast = join(scene.disk, 'ballast');
    fill(ballast);
    // Until SQLite needs a page more than its log has.
    for (let i = 0; i < 30 && daemon.events('storage-trouble').length === 0; i++) {
      scene.send(2000);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    expect(daemon.events('storage-trouble')).toMatchObject([{ code: 'SQLITE_FULL' }]);
    scene.send(2000);
    rmSync(ballast);
    await daemon.until('it goes on', () => daemon.events('storage-recovered').length === 1);
    scene.send(50);
    expect(await daemon.end()).toBe(0);
    const { sent } = scene;
    expect(scene.totals()).toEqual({
      packets: sent,
      decoded: sent,
      drops: 0,
      shed: 0,
      evicted: 0,
      flows: 2000,
      metered: sent,
    });
    expect(check(scene.db)).toBe('ok');
  });

  test('while another process holds the database for 30 s nothing is lost, and capture goes on', async () => {
    scene = new Scene();
    const daemon = await scene.start();
    scene.send(100);
    await until('they are stored', () => scene.totals().metered === 100);
    const script = `
      const Database = require('better-sqlite3');
      const db = new Database(process.argv[1], { timeout: 20000 });
      db.exec('BEGIN IMMEDIATE');
      process.stdout.write('held');
      process.stdin.resume().on('end', () => { db.exec('COMMIT'); db.close(); });`;
    const holder = spawn(process.execPath, ['-e', script, scene.db], {
      cwd: join(MAIN, '..', '..'),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const ended = once(holder, 'exit');
    for (const end = performance.now() + LOCK_MS; performance.now() < end; ) {
      scene.send(200);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    expect(scene.totals().metered).toBe(100);
    holder.stdin.end();
    await daemon.until('it is told', () => daemon.events('storage-trouble').length === 1);
    expect(daemon.events('storage-trouble')).toMatchObject([{ code: 'SQLITE_BUSY' }]);
    expect((await ended)[0]).toBe(0);
    await daemon.until('it goes on', () => daemon.events('storage-recovered').length === 1);
    expect(await daemon.end()).toBe(0);
    const { sent } = scene;
    expect(scene.totals()).toMatchObject({
      packets: sent,
      decoded: sent,
      drops: 0,
      shed: 0,
      flows: 200,
      metered: sent,
    });
  });

  const noLoop =
    existsSync('/dev/loop-control') && existsSync('/sys/fs/ext4') ? null : 'needs loop devices and ext4';
  test.skipIf(noLoop !== null)(
    `on a disk that has become read-only capture goes on, and the end says how many records are lost${noLoop ? ` (${noLoop})` : ''}`,
    async () => {
      scene = new Scene();
      const image = join(scene.folder, 'image');
      writeFileSync(image, '');
      truncateSync(image, 64 * 2 ** 20);
      execFileSync('mkfs.ext4', ['-q', image]);
      const before = new Set(readdirSync('/sys/fs/ext4'));
      execFileSync('mount', ['-o', 'loop,errors=remount-ro', image, scene.disk]);
      const device = readdirSync('/sys/fs/ext4').find((name) => !before.has(name));
      const daemon = await scene.start(4000);
      scene.send(100);
      await until('they are stored', () => scene.totals().metered === 100);
      writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, '1');
      // Far more flows than the table and the queue hold: 4,000, and 131,072 records.
      for (let i = 0; i < 20; i++) {
        scene.send(8000);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await daemon.until('it is told', () => daemon.events('storage-trouble').length > 0);
      expect(daemon.events('storage-trouble')[0]!.code).toMatch(/^SQLITE_(IOERR|READONLY)/);
      expect(daemon.events('engine-exited')).toEqual([]);
      // It cannot be written any more: the end says so, and what was lost.
      expect(await daemon.end()).toBe(1);
      const [failed] = daemon.events('engine-failed');
      expect(failed!.msg).toMatch(/commit .*flows\.db: SQLITE_\w+, .*; \d+ records are lost/);
      expect(scene.totals()).toMatchObject({ metered: 100 });
    },
  );
});
