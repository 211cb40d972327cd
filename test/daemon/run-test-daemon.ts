// Runs the daemon: options as JSON in the first argument, over the defaults. The second is a TestEngine.
import { totalmem } from 'node:os';
import { defaultOptions } from '../../daemon/config.ts';
import { runDaemon } from '../../daemon/main.ts';

const options = JSON.parse(process.argv[2]!);
const entry = { counting: './test-engine.ts', dying: './dying-engine.ts' }[process.argv[3]!];
const hooks = entry === undefined ? {} : { engineEntry: new URL(entry, import.meta.url) };
try {
  process.exitCode = await runDaemon({ ...defaultOptions(options.db, totalmem()), ...options }, hooks);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
