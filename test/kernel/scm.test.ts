import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openScmPair, SCM_FDS_MAX, SCM_PAYLOAD_MAX, ScmSocket } from '../../daemon/kernel/scm.ts';

describe('descriptors over a socket pair', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nsd-scm-'));
  let left: ScmSocket;
  let right: ScmSocket;
  beforeAll(() => {
    const [a, b] = openScmPair();
    left = new ScmSocket(a);
    right = new ScmSocket(b);
  });
  afterAll(() => {
    left.close();
    right.close();
    rmSync(dir, { recursive: true });
  });

  it('carries a JSON value and descriptors that open the same file', () => {
    const fd = openSync(join(dir, 'a'), 'w+');
    expect(left.send({ type: 'x', text: 'ü "quoted"' }, [fd, fd])).toBe('sent');
    const inode = fstatSync(fd).ino;
    closeSync(fd);
    const message = right.receive();
    if (typeof message === 'string') throw new Error(message);
    expect(message.payload).toEqual({ type: 'x', text: 'ü "quoted"' });
    expect(message.fds).toHaveLength(2);
    expect(message.fds.map((got) => fstatSync(got).ino)).toEqual([inode, inode]);
    expect(writeSync(message.fds[0]!, 'still open')).toBe(10);
    for (const got of message.fds) closeSync(got);
  });

  it('keeps messages apart and in order, and says when there is none', () => {
    expect(right.receive()).toBe('empty');
    for (let i = 0; i < 10; i++) expect(left.send(i, [])).toBe('sent');
    const got = Array.from({ length: 10 }, () => right.receive());
    expect(got).toEqual(Array.from({ length: 10 }, (_, i) => ({ payload: i, fds: [] })));
    expect(right.receive()).toBe('empty');
  });

  it('takes the largest message, and refuses a larger one and too many descriptors', () => {
    const text = 'x'.repeat(SCM_PAYLOAD_MAX - 2);
    expect(left.send(text, Array(SCM_FDS_MAX).fill(0))).toBe('sent');
    const message = right.receive();
    if (typeof message === 'string') throw new Error(message);
    expect(message.payload).toBe(text);
    expect(message.fds).toHaveLength(SCM_FDS_MAX);
    for (const fd of message.fds) closeSync(fd);
    expect(() => left.send(`${text}x`, [])).toThrow(/32769 octets; at most 32768/);
    expect(() => left.send(0, Array(SCM_FDS_MAX + 1).fill(0))).toThrow(/17 descriptors; at most 16/);
    expect(right.receive()).toBe('empty');
  });

  it('marks received descriptors close-on-exec', () => {
    left.send(0, [0]);
    const message = right.receive();
    if (typeof message === 'string') throw new Error(message);
    const fd = message.fds[0]!;
    const listed = spawnSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).stdout.split('\n');
    expect(readdirSync('/proc/self/fd')).toContain(String(fd));
    expect(listed).not.toContain(String(fd));
    closeSync(fd);
  });

  it('says that the receiver is full, and goes on when it has read', () => {
    let sent = 0;
    while (left.send('x'.repeat(30_000), []) === 'sent') sent++;
    expect(sent).toBeGreaterThan(2);
    while (right.receive() !== 'empty') sent--;
    expect(sent).toBe(0);
    expect(left.send('again', [])).toBe('sent');
    expect(right.receive()).toEqual({ payload: 'again', fds: [] });
  });

  it('closes the descriptors of a message that it refuses, and says when some were lost', () => {
    // As many descriptors as the process may have: the kernel drops those that do not fit.
    const script = `
      const { openScmPair, ScmSocket } = await import(${JSON.stringify(new URL('../../daemon/kernel/scm.ts', import.meta.url).href)});
      const fs = await import('node:fs');
      const [a, b] = openScmPair();
      const left = new ScmSocket(a), right = new ScmSocket(b);
      left.send('fds', Array(16).fill(0));
      const taken = [];
      try { for (;;) taken.push(fs.openSync('/dev/null')); } catch (error) { console.log(error.code); }
      for (const fd of taken.splice(0, 4)) fs.closeSync(fd);
      try { right.receive(); } catch (error) { console.log(error.message); }
      let free = 0;
      try { for (;;) { taken.push(fs.openSync('/dev/null')); free++; } } catch { console.log(free); }
      process.exit(0);`;
    const run = spawnSync(
      'sh',
      ['-c', 'ulimit -n 64 && exec "$0" --input-type=module -e "$1"', process.execPath, script],
      { encoding: 'utf8' },
    );
    expect(run.stderr).toBe('');
    expect(run.stdout.split('\n')).toEqual([
      'EMFILE',
      'recvmsg: descriptors were lost (too many in one message, or raise `ulimit -n`)',
      '4',
      '',
    ]);
  });

  it('says when the other end is gone, to sender and receiver', () => {
    const [a, b] = openScmPair();
    const here = new ScmSocket(a);
    new ScmSocket(b).close();
    expect(here.receive()).toBe('closed');
    expect(here.send(0, [])).toBe('closed');
    here.close();
    here.close();
  });
});
