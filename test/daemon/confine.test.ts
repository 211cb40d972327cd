import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { EngineArgument } from '../../daemon/confine.ts';
import { landlockAbi } from '../../daemon/kernel/landlock.ts';

const CHILD = fileURLToPath(new URL('./confined-child.ts', import.meta.url));
const NOBODY = 65534;

const abi = landlockAbi();
const isRoot = process.getuid?.() === 0;
const missing = !isRoot ? 'needs root' : abi < 6 ? `Landlock ABI ${abi}, needs 6` : null;

const folder = mkdtempSync(join(tmpdir(), 'nstap-confine-'));
const outside = mkdtempSync(join(tmpdir(), 'nstap-outside-'));
afterAll(() => {
  for (const path of [folder, outside]) rmSync(path, { recursive: true, force: true });
});

test.skipIf(missing !== null)(
  `the engine writes its database's folder and nothing else, in every thread of it${missing ? ` (${missing})` : ''}`,
  async () => {
    for (const path of [folder, outside]) chmodSync(path, 0o777);
    writeFileSync(join(outside, 'readable'), 'x');
    const server = createServer((socket) => socket.end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const argument: EngineArgument = {
      backend: 'ring',
      become: null,
      folder,
      bindPorts: [port === 65_534 ? 40_000 : port + 1],
      isFenced: false,
    };
    const child = spawn(process.execPath, [CHILD, JSON.stringify(argument)], {
      uid: NOBODY,
      gid: NOBODY,
      env: { OUTSIDE: outside, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'pipe', openSync('/dev/null', 'r')],
    });
    let [out, err] = ['', ''];
    child.stdout!.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr!.on('data', (chunk) => {
      err += chunk;
    });
    await once(child, 'close');
    server.close();
    expect(err).toBe('');
    expect(JSON.parse(out)).toEqual({
      arguments: 3,
      scm: 'done',
      inside: 'done',
      insideMoved: 'done',
      outside: 'EACCES',
      pool: 'EACCES',
      worker: 'EACCES',
      read: 'done',
      connect: 'EACCES',
      bound: 'done',
      bindOther: 'EACCES',
      threads: [
        'CapPrm:\t0000000000000000',
        'CapEff:\t0000000000000000',
        expect.stringMatching(/^CapBnd:\t/),
        'NoNewPrivs:\t1',
      ],
    });
    expect(readdirSync(outside)).toEqual(['readable']);
  },
);
