// For `node --import`: writes the address of every module that the process loads to the file that TELL_MODULES names. Plain
// JavaScript, and so no module of TypeScript's own comes in by it.
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

registerHooks({
  load(url, context, nextLoad) {
    appendFileSync(process.env.TELL_MODULES, `${url}\n`);
    return nextLoad(url, context);
  },
});
