import { expect, test } from 'vitest';
import { threadCpuNs } from '../../daemon/kernel/thread-clock.ts';

test("the thread's CPU goes on while it works, and is no more than the process has used", () => {
  const before = threadCpuNs();
  let now = before;
  while (now - before < 20e6) now = threadCpuNs();
  const { user, system } = process.cpuUsage();
  expect(now).toBeLessThan((user + system) * 1000 + 20e6);
});
