#!/usr/bin/env node
// Plain JavaScript for any Node: finds a Node that can run nstap and starts the real program on it. better-sqlite3
// crashes on a Node that is too old, so this is decided before anything else is loaded.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const NEEDED = [22, 18];

function newEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

// The checkout runs its TypeScript sources, the published package the compiled ones.
const sources = new URL('./main.ts', import.meta.url);
const program = existsSync(sources) ? sources : new URL('../dist/cli/main.js', import.meta.url);

if (newEnough(process.versions.node)) {
  await import(program.href);
} else {
  const bundled = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
  if (!existsSync(bundled)) {
    process.stderr.write(
      `nstap: needs Node ${NEEDED.join('.')} or newer, this is ${process.versions.node}; run \`npm ci\` in the checkout (it brings a Node along), or install a newer Node\n`,
    );
    process.exit(1);
  }
  const child = spawn(bundled, [fileURLToPath(program), ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to the whole process group, so the child has it already; a second one would mean "at once".
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR1', 'SIGUSR2']) {
    process.on(signal, () => {
      if (!(terminal && signal === 'SIGINT')) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`nstap: start ${bundled}: ${error.message}; run \`npm ci\` again\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal ?? 'SIGTERM'] ?? 15));
  });
}
