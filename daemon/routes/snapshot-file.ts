import { Readable } from 'node:stream';
import { createGzip, createZstdCompress } from 'node:zlib';
import { writeAtomically } from './atomic-file.ts';
import { fileLines, joinLines, toText } from './input-file.ts';
import type { RouteSnapshot, SnapshotRoute } from './snapshot.ts';
import { jsonError, RouteTextError } from './text-words.ts';

/**
 * A snapshot file is one JSON object. As nstap writes it, the first line ends with this and each route follows on a line of
 * its own: a table of a million routes is larger than any string of V8 (512 MiB), and is read and written line by line.
 * The same object on one line, or spread by `jq`, is read as well, up to that size.
 */
const ROUTES_FOLLOW = '"routes":[';
const LAST_LINE = ']}';

/** Text is handed on in pieces of about this many characters. */
const PIECE_LEN = 65_536;

/** A snapshot file's text, in pieces that end with a line each. */
export function* snapshotLines(snapshot: RouteSnapshot): Generator<string> {
  const { routes, ...rest } = snapshot;
  yield `${JSON.stringify(rest).slice(0, -1)},${ROUTES_FOLLOW}\n`;
  for (const [i, route] of routes.entries())
    yield `${JSON.stringify(route)}${i < routes.length - 1 ? ',' : ''}\n`;
  yield `${LAST_LINE}\n`;
}

/**
 * Writes a snapshot file, which `readSnapshot` reads; a name that ends with .gz or .zst gets it compressed. The file is there
 * whole or not at all: one that was there before stays until then.
 * @param signal aborts the writing
 * @throws AtomicFileError; the signal's reason
 */
export async function writeSnapshot(
  path: string,
  snapshot: RouteSnapshot,
  signal?: AbortSignal,
): Promise<void> {
  const stages: NodeJS.ReadWriteStream[] = [];
  if (path.endsWith('.gz')) stages.push(createGzip());
  else if (path.endsWith('.zst')) stages.push(createZstdCompress());
  await writeAtomically(path, [Readable.from(joinedLines(snapshotLines(snapshot))), ...stages], signal);
}

/** Lines in pieces of some 64 KiB, which a stream handles as fast as a line. */
export function* joinedLines(lines: Iterable<string>): Generator<string> {
  let piece = '';
  for (const line of lines) {
    piece += line;
    if (piece.length < PIECE_LEN) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}

/**
 * Reads a snapshot file: as `writeSnapshot` wrote it, also compressed, or the same JSON object in any other layout.
 * @throws RouteTextError when it is none, or cut short; Error of node:fs
 */
export function readSnapshot(path: string): RouteSnapshot {
  const lines = fileLines(path);
  return snapshotOfLines(lines.next().value ?? Buffer.alloc(0), lines, path);
}

/**
 * Reads a snapshot from the lines of a file of which the first was looked at already.
 * @param path name for error messages
 * @throws as `readSnapshot`
 */
export function snapshotOfLines(first: Buffer, lines: Iterable<Buffer>, path: string): RouteSnapshot {
  if (!endsWith(first, ROUTES_FOLLOW)) {
    const content = toText(joinLines(first, lines), path, 0);
    const snapshot = checkSnapshot(parseJson(content, path, 0), path);
    for (const [i, route] of snapshot.routes.entries()) checkRoute(route, path, 0, `routes[${i}]`);
    return snapshot;
  }
  const head = toText(first, path, 1).trimEnd();
  const snapshot = checkSnapshot(parseJson(`${head}${LAST_LINE}`, path, 1), path);
  readRoutes(lines, snapshot.routes, path);
  return snapshot;
}

function readRoutes(lines: Iterable<Buffer>, routes: SnapshotRoute[], path: string): void {
  let lineNumber = 1;
  let isWhole = false;
  for (const line of lines) {
    lineNumber++;
    const text = toText(line, path, lineNumber).trim();
    if (text === '') continue;
    if (isWhole) throw new RouteTextError(path, lineNumber, text.slice(0, 20), 'stands behind the end');
    if (text === LAST_LINE) {
      isWhole = true;
      continue;
    }
    const json = text.endsWith(',') ? text.slice(0, -1) : text;
    routes.push(checkRoute(parseJson(json, path, lineNumber), path, lineNumber, json.slice(0, 20)));
  }
  if (!isWhole)
    throw new RouteTextError(
      path,
      lineNumber,
      'routes',
      `the file is cut short after ${routes.length} routes; save it once more`,
    );
}

function endsWith(line: Buffer, text: string): boolean {
  const blanks = line.at(-1) === 0x0d ? 1 : 0;
  const end = line.length - blanks;
  return line.toString('latin1', Math.max(0, end - text.length), end) === text;
}

function parseJson(text: string, path: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const isOther = line === 0 && !text.trimStart().startsWith('{');
    const hint = isOther
      ? '; a file of `nstap snapshot save` is wanted, output of `ip route` goes with --routes'
      : '';
    throw jsonError(path, line, text, error, hint);
  }
}

/** What the lists' entries must have; the rest is as nstap wrote it. */
const RELIED_ON = {
  links: { ifIndex: 'number', name: 'string', flags: 'number', master: 'number' },
  addresses: { family: 'number', ifIndex: 'number', address: 'string' },
  rules: { family: 'number', priority: 'number', action: 'string', table: 'number' },
} as const;

function checkSnapshot(given: unknown, path: string): RouteSnapshot {
  const value = given as Partial<RouteSnapshot> | null;
  if (value?.format !== 'nstap-routes-1')
    throw new RouteTextError(
      path,
      0,
      String(value?.format),
      'is no snapshot of nstap (format nstap-routes-1)',
    );
  for (const name of ['links', 'addresses', 'rules', 'routes'] as const)
    if (!Array.isArray(value[name])) throw new RouteTextError(path, 0, name, 'should be a list');
  for (const [name, keys] of Object.entries(RELIED_ON))
    for (const [i, entry] of value[name as keyof typeof RELIED_ON]!.entries())
      for (const [key, type] of Object.entries(keys))
        if (typeof (entry as unknown as Record<string, unknown> | null)?.[key] !== type)
          throw new RouteTextError(path, 0, `${name}[${i}]`, `should have a ${type} \`${key}\``);
  if (typeof value.sysctls !== 'object' || !Array.isArray(value.sysctls?.interfaces))
    throw new RouteTextError(path, 0, 'sysctls', 'should be an object with a list `interfaces`');
  return value as RouteSnapshot;
}

/** Looks at what everything else relies on; the rest is as nstap wrote it. */
function checkRoute(given: unknown, path: string, line: number, word: string): SnapshotRoute {
  const route = given as Partial<SnapshotRoute> | null;
  const isRoute =
    (route?.family === 4 || route?.family === 6) &&
    typeof route.prefix === 'string' &&
    typeof route.table === 'number' &&
    Array.isArray(route.nextHops);
  if (!isRoute)
    throw new RouteTextError(path, line, word, 'should be a route (family, table, prefix, nextHops)');
  return route as SnapshotRoute;
}
