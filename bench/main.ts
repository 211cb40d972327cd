import { parseArgs } from 'node:util';

/**
 * `npm run bench [-- PART…]`: runs the parts named, or all. Installs nothing; says which peers it found. Figures are
 * medians of paired runs on this machine; what counts are the ratios within one run. `--flows N`, `--rounds N` and
 * `--folder DIR` are for `query`.
 */
const PARTS = [
  'work',
  'startup',
  'decode',
  'hints',
  'tunnels',
  'rank',
  'write',
  'stream',
  'routes',
  'replay',
  'live',
  'tap',
  'retention',
  'experiments',
  'route-use',
  'store',
  'query',
] as const;

const { positionals: wanted, values } = parseArgs({
  allowPositionals: true,
  options: { flows: { type: 'string' }, rounds: { type: 'string' }, folder: { type: 'string' } },
});
const unknown = wanted.filter((part) => !(PARTS as readonly string[]).includes(part));
if (unknown.length > 0) {
  process.stderr.write(`bench: no part ${unknown.join(', ')}; there are ${PARTS.join(', ')}\n`);
  process.exit(2);
}
for (const part of wanted.length > 0 ? wanted : PARTS) {
  process.stdout.write(`\n== ${part}\n`);
  const { run } = (await import(`./${part}.ts`)) as {
    run: (options: typeof values) => Promise<void>;
  };
  await run(values);
}
