// `npx nstap` from the checkout must find our own command at once: npm links the bins of dependencies only,
// and without this link npx would install the checkout into its cache first.
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';

const bin = new URL('../node_modules/.bin/', import.meta.url);
if (existsSync(new URL('../node_modules/', import.meta.url))) {
  mkdirSync(bin, { recursive: true });
  const link = new URL('nstap', bin);
  rmSync(link, { force: true });
  symlinkSync('../../cli/nstap.js', link);
}
