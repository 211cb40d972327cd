import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { ClosingLine } from './test/support/closing-line.ts';

// One fork a file: kernel tests change the namespace of their thread, and workers of a failed test must die with it.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    maxConcurrency: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    setupFiles: process.env.NSTAP_TEST_SEED ? ['test/support/property-seed.ts'] : [],
    reporters: ['default', new ClosingLine()],
    env: {
      TZ: 'UTC',
      LC_ALL: 'C',
      NO_COLOR: '1',
      // A thousand times the command line starts from its sources: compiled once, that takes half as long.
      NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/nstap-tests', import.meta.url)),
    },
  },
});
