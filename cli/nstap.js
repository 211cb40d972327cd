#!/usr/bin/env node
// Plain JavaScript for any Node: finds a Node that can run nstap and starts the real program on it. better-sqlite3
// crashes on a Node that is too old, so this is decided before anything else is loaded.
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const NEEDED = [22, 18];

function newEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

/** Folder for caches of this user, root included; undefined where there is none. XDG Base Directory Specification */
function cacheHome(uid) {
  const { XDG_CACHE_HOME, HOME } = process.env;
  if (XDG_CACHE_HOME?.startsWith('/')) return XDG_CACHE_HOME;
  if (uid === 0) return '/var/cache';
  return HOME?.startsWith('/') ? `${HOME}/.cache` : undefined;
}

/** What Node finds in its cache it runs, so nobody else may write there: `sudo` can leave root with the environment of another. */
function isOnlyOf(uid, folder) {
  const found = lstatSync(folder);
  return found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0;
}

/**
 * Has Node keep the compiled modules for the next start: of the checkout that one takes a third of the time then. Where nothing can be kept
 * it starts without, as it does with NODE_DISABLE_COMPILE_CACHE=1.
 */
function keepCompiled() {
  const uid = process.geteuid();
  const home = cacheHome(uid);
  if (home === undefined) return;
  const folder = `${home}/nstap`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (isOnlyOf(uid, home) && isOnlyOf(uid, folder)) module.enableCompileCache(folder);
  } catch {
    // A full or read-only disk, a home that is none. Node itself throws for none of these.
  }
}

/** Runs the program on another Node, as if it were this process. */
async function runOn(node, words) {
  const { spawn } = await import('node:child_process');
  const { constants } = await import('node:os');
  const child = spawn(node, words, { stdio: 'inherit' });
  // A terminal sends Ctrl-C to the whole process group, so the child has it already; a second one would mean "at once".
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR1', 'SIGUSR2']) {
    process.on(signal, () => {
      if (!(terminal && signal === 'SIGINT')) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`nstap: start ${node}: ${error.message}; run \`npm ci\` again\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal ?? 'SIGTERM'] ?? 15));
  });
}

if (newEnough(process.versions.node)) {
  keepCompiled();
  // The checkout runs its TypeScript sources, the published package the compiled ones.
  const sources = new URL('./main.ts', import.meta.url);
  const program = existsSync(sources) ? sources : new URL('../dist/cli/main.js', import.meta.url);
  await import(program.href);
} else {
  const bundled = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
  if (!existsSync(bundled)) {
    process.stderr.write(
      `nstap: needs Node ${NEEDED.join('.')} or newer, this is ${process.versions.node}; run \`npm ci\` in the checkout (it brings a Node along), or install a newer Node\n`,
    );
    process.exit(1);
  }
  // Itself again, which keeps what that Node compiles.
  await runOn(bundled, [fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
}
