// Entry of an engine that counts packets instead of storing flows.
import { confine } from '../../daemon/confine.ts';

confine(process.argv.slice(2));

const { runEngine } = await import('../../daemon/engine-main.ts');
const { Worker } = await import('node:worker_threads');
const { readFileSync, writeFileSync } = await import('node:fs');

runEngine(
  ({ config, wakeFds, requests, captureStarted }) => {
    const capture = new Worker(new URL('./counting-thread.ts', import.meta.url), {
      workerData: { file: `${config.db}.json`, wakeFd: wakeFds[0], requests: requests[0] },
      transferList: [requests[0]!],
    });
    captureStarted();
    writeFileSync(`${config.db}.status`, readFileSync('/proc/thread-self/status'));
    // The daemon's own failure path, on demand.
    process.on('SIGUSR2', () => {
      throw new Error('told to fail');
    });
    return {
      captures: [capture],
      addInlet: null,
      live: null,
      ready: new Promise((resolve) => capture.once('online', resolve)),
      closed: new Promise((resolve, reject) => {
        capture.once('error', reject);
        capture.once('exit', () => resolve({}));
      }),
    };
  },
  new URL('./no-mirror-thread.ts', import.meta.url),
);
