import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { firstInterruptible, interruptible } from '../../cli/interruptible.ts';

const SOURCE = fileURLToPath(new URL('../../cli/interruptible.ts', import.meta.url));

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  'work that never looks up is ended by %s',
  async (signal) => {
    const script = `import { interruptible } from ${JSON.stringify(SOURCE)};
    import { writeSync } from 'node:fs';
    process.on('${signal}', () => process.exit(1));
    interruptible(() => { writeSync(1, 'busy'); for (;;); });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([null, signal]);
  },
);

test('the listeners are there again afterwards, also when the work throws', () => {
  const before = process.rawListeners('SIGINT');
  const listener = (): void => {};
  process.on('SIGINT', listener);
  try {
    expect(interruptible(() => process.listenerCount('SIGINT'))).toBe(0);
    expect(() =>
      interruptible(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(process.rawListeners('SIGINT')).toEqual([...before, listener]);
  } finally {
    process.removeListener('SIGINT', listener);
  }
});

test('lines come as they are, and are closed when the reader stops', () => {
  let isClosed = false;
  function* lines(): Iterable<string> {
    try {
      yield* ['a', 'b', 'c'];
    } finally {
      isClosed = true;
    }
  }
  expect([...firstInterruptible(lines)]).toEqual(['a', 'b', 'c']);
  expect([...firstInterruptible(() => [])]).toEqual([]);
  isClosed = false;
  for (const line of firstInterruptible(lines)) if (line === 'a') break;
  expect(isClosed).toBe(true);
});
