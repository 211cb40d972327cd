// Runs the daemon: options as JSON in the first argument, over the defaults; "counting" as the second takes the engine
// that counts packets instead of storing flows.
import { totalmem } from 'node:os';
import { defaultOptions } from '../../daemon/config.ts';
import { runDaemon } from '../../daemon/main.ts';

const options = JSON.parse(process.argv[2]!);
const hooks =
  process.argv[3] === 'counting' ? { engineEntry: new URL('./test-engine.ts', import.meta.url) } : {};
try {
  process.exitCode = await runDaemon({ ...defaultOptions(options.db, totalmem()), ...options }, hooks);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
