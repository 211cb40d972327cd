// Entry of the engine's process; its argument is an EngineArgument. Confined before any other module is loaded.
import { confine } from './confine.ts';

confine(process.argv.slice(2));

const { runEngine } = await import('./engine-main.ts');
const { startPipeline } = await import('./live-pipeline.ts');
runEngine(startPipeline);
