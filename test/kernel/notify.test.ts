import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { close } from '../../daemon/kernel/libc.ts';
import { sendDatagram } from '../../daemon/kernel/notify.ts';
import { createLogger } from '../../daemon/logger.ts';
import { ServiceManager } from '../../daemon/service-manager.ts';
import { until } from './lab.ts';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const bind = libc.func('int bind(int fd, const void *to, uint32_t len)');
const recv = libc.func('long recv(int fd, void *buf, size_t n, int flags)');
const [AF_UNIX, SOCK_DGRAM, MSG_DONTWAIT] = [1, 2, 0x40];

let folder = '';
let path = '';
let fd = -1;

/** As a service manager listens. */
function listenAt(name: string): void {
  const octets = new TextEncoder().encode(name.replace(/^@/, '\0'));
  const address = new Uint8Array(2 + octets.length);
  address[0] = AF_UNIX;
  address.set(octets, 2);
  fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  expect(bind(fd, address, address.length)).toBe(0);
}

/** The next message, or null when none is waiting. */
function next(): string | null {
  const buffer = new Uint8Array(4096);
  const length = Number(recv(fd, buffer, buffer.length, MSG_DONTWAIT));
  return length < 0 ? null : new TextDecoder().decode(buffer.subarray(0, length));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nstap-notify-'));
  path = join(folder, 'notify');
});
afterEach(() => {
  if (fd >= 0) close(fd);
  fd = -1;
  rmSync(folder, { recursive: true });
});

describe('sendDatagram', () => {
  test('sends to a path and to a name in the abstract namespace', () => {
    for (const name of [path, `@nstap-notify-${process.pid}`]) {
      listenAt(name);
      sendDatagram(name, 'READY=1\nSTATUS=ä');
      expect(next()).toBe('READY=1\nSTATUS=ä');
      close(fd);
    }
    fd = -1;
  });

  test('says on what it failed', () => {
    expect(() => sendDatagram(path, 'x')).toThrow(`sendto ${path}: ENOENT`);
    expect(() => sendDatagram('/'.padEnd(109, 'x'), 'x')).toThrow(/longer than the 108 octets/);
  });
});

describe('ServiceManager', () => {
  const log = createLogger('test', 'fatal');

  test('tells what the manager wants to know, and hides the variables from children', () => {
    listenAt(path);
    const env: NodeJS.ProcessEnv = { NOTIFY_SOCKET: path, OTHER: 'kept' };
    using manager = disposable(new ServiceManager(env, log));
    expect(env).toEqual({ OTHER: 'kept' });
    manager.ready();
    manager.reloading();
    manager.ready();
    manager.stopping();
    expect(next()).toBe('READY=1\nSTATUS=capturing');
    expect(next()).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    expect(next()).toBe('READY=1\nSTATUS=capturing');
    expect(next()).toBe('STOPPING=1\nSTATUS=draining');
    expect(next()).toBeNull();
  });

  test('gives signs of life until it is closed', async () => {
    listenAt(path);
    const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '20000', WATCHDOG_PID: String(process.pid) };
    const manager = new ServiceManager(env, log);
    await until('a sign of life', () => next() === 'WATCHDOG=1');
    await until('another', () => next() === 'WATCHDOG=1');
    manager.close();
    while (next() !== null);
    let turns = 0;
    await until('time has passed', () => ++turns > 5);
    expect(next()).toBeNull();
  });

  test('gives none for another process, and none without a manager', async () => {
    listenAt(path);
    using manager = disposable(
      new ServiceManager({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' }, log),
    );
    using nobody = disposable(new ServiceManager({ WATCHDOG_USEC: '1000' }, log));
    let turns = 0;
    await until('time has passed', () => ++turns > 5);
    nobody.ready();
    expect(next()).toBeNull();
    manager.ready();
    expect(next()).toBe('READY=1\nSTATUS=capturing');
  });
});

function disposable<T extends { close(): void }>(value: T): T & Disposable {
  return Object.assign(value, { [Symbol.dispose]: () => value.close() });
}
