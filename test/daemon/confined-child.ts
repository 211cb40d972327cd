// Stands for the engine: is confined, then tries what it must not be able to, in each kind of thread, and prints what happened.
import { confine, type EngineArgument } from '../../daemon/confine.ts';

confine(process.argv.slice(2));

const { readFileSync, writeFileSync } = await import('node:fs');
const { readFile, rename, writeFile } = await import('node:fs/promises');
const { connect, createServer } = await import('node:net');
const { Worker } = await import('node:worker_threads');

const { folder, bindPorts } = JSON.parse(process.argv[2]!) as EngineArgument;
const outside = process.env.OUTSIDE!;

async function outcome(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'done';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

const listen = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()));
  });

const worker = new Worker(
  `const { parentPort, workerData } = require('node:worker_threads');
   try { require('node:fs').writeFileSync(workerData, 'x'); parentPort.postMessage('done'); }
   catch (error) { parentPort.postMessage(error.code); }`,
  { eval: true, workerData: `${outside}/worker` },
);
const results = {
  arguments: process.argv.length,
  scm: await outcome(() => readFileSync('/proc/self/fdinfo/3')),
  inside: await outcome(() => writeFileSync(`${folder}/inside`, 'x')),
  insideMoved: await outcome(() => rename(`${folder}/inside`, `${folder}/moved`)),
  outside: await outcome(() => writeFileSync(`${outside}/main`, 'x')),
  pool: await outcome(() => writeFile(`${outside}/pool`, 'x')),
  worker: await new Promise((resolve) => worker.once('message', resolve)),
  read: await outcome(() => readFile(`${outside}/readable`)),
  connect: await outcome(
    () =>
      new Promise((resolve, reject) => {
        connect(Number(process.env.PORT), '127.0.0.1').once('connect', resolve).once('error', reject);
      }),
  ),
  bound: await outcome(() => listen(bindPorts[0]!)),
  bindOther: await outcome(() => listen(bindPorts[0]! + 1)),
  threads: readFileSync('/proc/self/status', 'utf8').match(/^(NoNewPrivs|CapEff|CapBnd|CapPrm):\s+\S+$/gm),
};
process.stdout.write(JSON.stringify(results), () => process.exit(0));
