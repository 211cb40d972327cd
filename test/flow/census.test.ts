import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Census, createCensus } from '../../daemon/flow/census.ts';

const MODULE = new URL('../../daemon/flow/census.ts', import.meta.url).href;

/** A thread that takes part `rounds` times with its number plus that of the round, and gives back what it was told. */
function thread(
  shared: SharedArrayBuffer,
  threads: number,
  number: number,
  rounds: number,
): Promise<unknown[]> {
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     import(${JSON.stringify(MODULE)}).then(({ Census }) => {
       const { shared, threads, number, rounds } = workerData;
       const census = new Census(shared, threads);
       const told = [];
       for (let i = 0; i < rounds; i++) told.push(census.take(number + i));
       census.leave();
       parentPort.postMessage(told);
     });`,
    { eval: true, workerData: { shared, threads, number, rounds } },
  );
  return once(worker, 'message').then(([told]) => told);
}

test('every thread is told the sum of what all hold, each time', async () => {
  const shared = createCensus();
  const told = await Promise.all([10, 200, 3000].map((number) => thread(shared, 3, number, 500)));
  const sums = Array.from({ length: 500 }, (_, i) => 3210 + 3 * i);
  expect(told).toEqual([sums, sums, sums]);
});

test('a thread that waits for one which has come to its end says that the file was changed', () => {
  const shared = createCensus();
  new Census(shared, 2).leave();
  expect(() => new Census(shared, 2).take(1)).toThrow(/a file was changed while it was read/);
});
