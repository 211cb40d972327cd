// Entry of the daemon's own engine, whose second capture thread dies of an error when the engine gets SIGUSR2.
import { confine } from '../../daemon/confine.ts';

confine(process.argv.slice(2));

const { runEngine } = await import('../../daemon/engine-main.ts');
const { startPipeline } = await import('../../daemon/live-pipeline.ts');
const { signalEvent } = await import('../../daemon/kernel/eventfd.ts');

runEngine((start) => {
  const pipeline = startPipeline(start);
  process.on('SIGUSR2', () => {
    // Without what it needs of it: the thread throws a TypeError.
    pipeline.captures[1]!.postMessage({ type: 'tap', request: 0, id: 0, wish: null });
    signalEvent(start.wakeFds[1]!);
  });
  return pipeline;
});
