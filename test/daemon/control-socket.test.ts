import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ControlSocket } from '../../daemon/control-socket.ts';
import { close } from '../../daemon/kernel/libc.ts';
import { bindUnix, isUnixAnswered, listenUnix } from '../../daemon/kernel/unix-listener.ts';

const isRoot = process.getuid?.() === 0;

describe('the control socket', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nsd-cs-'));
  let count = 0;
  const fresh = (): string => join(dir, `${count++}.sock`);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('has its rights before anybody can connect, and is gone when it is closed', () => {
    const path = join(dir, 'a', 'control.sock');
    const umask = process.umask(0o027); // as the daemon has it
    const socket = new ControlSocket(path);
    process.umask(umask);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    expect(statSync(join(dir, 'a')).mode & 0o777).toBe(0o755);
    expect(isUnixAnswered(path)).toBe(true);
    socket.close();
    socket.close();
    expect(existsSync(path)).toBe(false);
  });

  it.skipIf(!isRoot)('belongs to the group nstap where there is one (needs root)', () => {
    const path = fresh();
    const socket = new ControlSocket(path);
    const gid = /^nstap:[^:]*:(\d+)/m.exec(readFileSync('/etc/group', 'utf8'))?.[1] ?? process.getgid!();
    expect(statSync(path).gid).toBe(Number(gid));
    socket.close();
  });

  it('gives descriptors on which clients are taken, one engine after the other', async () => {
    const path = fresh();
    const socket = new ControlSocket(path);
    for (const answer of ['first', 'second']) {
      const fd = socket.descriptor();
      // Connects before anybody takes it: it waits.
      const client = connect(path).setEncoding('utf8');
      const server = createServer((taken) => taken.end(answer)).listen({ fd });
      const got = await new Promise((resolve) => client.once('data', resolve));
      expect(got).toBe(answer);
      await new Promise((resolve) => server.close(resolve));
    }
    expect(isUnixAnswered(path)).toBe(true);
    socket.close();
  });

  it('takes the place of one that nobody answers on, of nothing else', () => {
    const stale = fresh();
    close(bindUnix(stale));
    expect(isUnixAnswered(stale)).toBe(false);
    const socket = new ControlSocket(stale);
    expect(() => new ControlSocket(stale)).toThrow(
      expect.objectContaining({
        code: 'CONTROL_REFUSED',
        message: `control socket ${stale}: another daemon listens there; choose another path with --control, or "none"`,
      }),
    );
    const file = fresh();
    writeFileSync(file, 'precious');
    const link = fresh();
    symlinkSync(stale, link);
    for (const path of [file, link])
      expect(() => new ControlSocket(path)).toThrow('a file that is no socket lies there');
    expect(readFileSync(file, 'utf8')).toBe('precious');
    expect(isUnixAnswered(stale)).toBe(true);
    socket.close();
  });

  it('of another daemon that lies in its place is left there', () => {
    const path = fresh();
    const socket = new ControlSocket(path);
    renameSync(path, `${path}.old`);
    const fd = bindUnix(path);
    listenUnix(fd, path);
    socket.close();
    expect(isUnixAnswered(path)).toBe(true);
    close(fd);
  });

  it('says when a path is too long for a socket, and when nobody is there', () => {
    const path = join(dir, 'x'.repeat(120));
    expect(() => new ControlSocket(path)).toThrow(/longer than the 108 octets of a socket's address/);
    expect(isUnixAnswered(fresh())).toBe(false);
    expect(() => new ControlSocket('/proc/none/control.sock')).toThrow(
      /^control socket \/proc\/none\/control\.sock: ENOENT: .*; choose another path with --control, or "none"$/,
    );
    expect(() => bindUnix(join(dir, 'none', 's'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});
