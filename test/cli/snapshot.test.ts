import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSnapshot } from '../../daemon/routes/snapshot-file.ts';
import { Lab, labMissing } from '../kernel/lab.ts';
import { ipBatch } from '../routes/ip-batch.ts';
import { MAIN, nstap } from '../support/nstap.ts';

const missing = labMissing();
const folder = mkdtempSync(join(tmpdir(), 'nstap-save-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('snapshot save', () => {
  test('of a namespace that does not exist says so, and writes nothing', () => {
    const { status, stderr } = nstap(['snapshot', 'save', '--netns', 'no-such', join(folder, 'none.json')]);
    expect(status).toBe(1);
    expect(stderr).toContain('no-such');
    expect(readdirSync(folder)).toEqual([]);
  });

  test('does not write over the database that it reads', () => {
    const db = join(folder, 'history.db');
    writeFileSync(db, 'of a daemon');
    const words = [
      'snapshot',
      'save',
      '--netns',
      'a',
      '--at',
      '1m',
      '--db',
      db,
      join(folder, '.', 'history.db'),
    ];
    expect(nstap(words)).toEqual({
      status: 2,
      stdout: '',
      stderr: `nstap: write ${db}: it is read; name another file\n`,
    });
    expect(readFileSync(db, 'utf8')).toBe('of a daemon');
  });

  test('without a file, or a command, is wrong usage; the help has an example', () => {
    expect(nstap(['snapshot', 'save']).status).toBe(2);
    expect(nstap(['snapshot']).status).toBe(2);
    expect(nstap(['snapshot', 'save', '--help']).stdout).toContain('Example:\n');
  });
});

describe('--addrs', () => {
  const fixture = (name: string): string =>
    fileURLToPath(new URL(`../../fixtures/routes/addr/${name}`, import.meta.url));
  const files = (addrs: string): string[] => ['--routes', fixture('routes.txt'), '--addrs', fixture(addrs)];

  test('route get and routes take it; a complete list knows which interfaces there are', () => {
    const asked = ['route', 'get', '192.0.2.7', '--from', '192.0.2.9', '--json', '--iif'];
    for (const addrs of ['plain.txt', 'detail.txt', 'detail.json', 'oneline.txt', 'brief.txt']) {
      const { stdout } = nstap([...asked, 'eth0', ...files(addrs)]);
      expect(JSON.parse(stdout), addrs).toMatchObject({ type: 'local', dev: 'eth0', confidence: 'exact' });
    }
    const gone = nstap([...asked, 'gone', ...files('plain.txt')]);
    expect(gone.stderr).toContain('nstap: no interface gone in ');
    expect(gone.status).toBe(2);
    expect(nstap([...asked, 'gone', ...files('v4.txt')]).status).toBe(0);
    const { links, addresses } = JSON.parse(nstap(['routes', '--json', ...files('plain.txt')]).stdout);
    expect([links.length, addresses.length]).toEqual([8, 17]);
  });

  test('a word that is not known is told with its file and line, in every command', () => {
    const wrong = join(folder, 'addr.txt');
    writeFileSync(wrong, '2: eth0: <UP> mtu 1500\n    inet 10.0.0.1/24 shiny eth0\n');
    const routes = ['--routes', fixture('routes.txt'), '--addrs', wrong];
    const demo = fileURLToPath(new URL('../../fixtures/demo/client.pcap', import.meta.url));
    for (const words of [
      ['routes'],
      ['route', 'get', '10.0.0.1'],
      ['replay', '--db', join(folder, 'a.db'), demo],
    ]) {
      const { status, stderr } = nstap([...words, ...routes]);
      expect(stderr).toBe(`nstap: ${wrong} line 2: "shiny": unknown word of \`ip addr\`\n`);
      expect(status).toBe(1);
    }
    rmSync(wrong);
    expect(nstap(['routes', '--addrs', fixture('plain.txt')]).stderr).toContain('needs --routes beside it');
  });
});

describe.skipIf(missing !== null)(
  `snapshot save of a live namespace${missing === null ? '' : ` (${missing})`}`,
  () => {
    const lab = new Lab('ss');
    let name: string;

    beforeAll(() => {
      name = lab.add('a');
      ipBatch(
        name,
        [
          'link add e0 type veth peer name e1',
          'link set e0 up',
          'addr add 10.9.0.1/24 dev e0',
          'rule add pref 50 from 10.0.0.0/8 lookup 77',
          ...Array.from({ length: 300 }, (_, i) => `route add 10.1.${i & 255}.${i >> 8}/32 dev e0 table 77`),
        ],
        false,
      );
    });
    afterAll(() => lab.close());

    test('writes what `routes --json` shows, says what it saved, and is read back by every command', () => {
      const file = join(folder, 'a.json');
      const { status, stdout, stderr } = nstap(['snapshot', 'save', '--netns', name, file]);
      expect(stdout).toBe('');
      expect(stderr).toMatch(
        new RegExp(`^nstap: saved ${name}: 3\\d\\d routes, 6 rules, 3 interfaces to ${file}\n$`),
      );
      expect(status).toBe(0);
      const saved = readSnapshot(file);
      const shown = JSON.parse(nstap(['routes', '--netns', name, '--json']).stdout);
      expect({ ...saved, takenAt: null }).toEqual({ ...shown, takenAt: null });
      expect(nstap(['routes', '--snapshot', file]).stdout).toBe(nstap(['routes', '--netns', name]).stdout);
      const answer = nstap(['route', 'get', '10.1.5.0', '--from', '10.9.0.1', '--snapshot', file, '--json']);
      expect(JSON.parse(answer.stdout)).toMatchObject({ table: '77', dev: 'e0', confidence: 'exact' });
    });

    test('- is stdout, and nothing else goes there', () => {
      const { status, stdout, stderr } = nstap(['snapshot', 'save', '--netns', name, '-']);
      expect(status).toBe(0);
      expect(stderr).toContain('to stdout\n');
      expect(JSON.parse(stdout).routes.length).toBeGreaterThan(300);
    });

    test('.gz and .zst are compressed, and read back', () => {
      const sizes = ['b.json', 'b.json.gz', 'b.json.zst'].map((entry) => {
        const file = join(folder, entry);
        expect(nstap(['snapshot', 'save', '--netns', name, file]).status).toBe(0);
        expect(nstap(['routes', '--snapshot', file]).stdout).toContain('IPv4 table 77');
        return readFileSync(file).length;
      });
      expect(Math.max(sizes[1]!, sizes[2]!)).toBeLessThan(sizes[0]! / 4);
    });

    test('a full disk leaves the file that was there, and says what to do', () => {
      const mount = join(folder, 'small');
      mkdirSync(mount);
      const script = `mount -t tmpfs -o size=64k small '${mount}' && cd '${mount}' && echo before > s.json &&
        "$0" "$1" snapshot save --netns "$2" s.json; echo "status $?"; ls -A; cat s.json`;
      const { stdout, stderr } = spawnSync(
        'unshare',
        ['-m', 'sh', '-c', script, process.execPath, MAIN, name],
        {
          encoding: 'utf8',
        },
      );
      expect(stderr).toBe(
        'nstap: s.json: the disk is full (ENOSPC): nothing was saved; make room, or choose another folder\n',
      );
      expect(stdout).toBe('status 1\ns.json\nbefore\n');
    });

    test('Ctrl-C ends it, also while the reader of a FIFO does not read', () => {
      // A FIFO whose reader does not read stands for a slow disk: the writer waits in the middle.
      const fifo = join(folder, 'fifo');
      expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
      const script = `exec 3<>'${fifo}'; "$0" "$1" snapshot save --netns "$2" '${fifo}' & sleep 2; kill -INT $!; wait $!; echo "status $?"`;
      const { stdout, stderr } = spawnSync(
        'bash',
        ['-c', `set -m; ${script}`, process.execPath, MAIN, name],
        { encoding: 'utf8' },
      );
      expect(stderr).toContain('nstap: interrupted: the snapshot is not saved\n');
      expect(stdout).toContain('status 130\n');
    });

    test('a file that was there is replaced', () => {
      const file = join(folder, 'old.json');
      writeFileSync(file, 'x'.repeat(1_000_000));
      expect(nstap(['snapshot', 'save', '--netns', name, file]).status).toBe(0);
      expect(readSnapshot(file).netns).toBe(name);
    });
  },
);
