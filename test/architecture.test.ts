import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Who may import whom: data goes one way, kernel ring or file -> decoders -> flow -> storage -> query -> cli. A key is a
 * folder (the longest that fits counts), a value lists folders and files; a folder may always import itself.
 */
const ALLOWED: Record<string, string[]> = {
  decoders: [],
  storage: ['decoders/community-id.ts'],
  'daemon/kernel': [],
  'daemon/netlink': ['daemon/kernel', 'daemon/routes/snapshot.ts', 'decoders/address.ts'],
  'daemon/routes': ['daemon/netlink', 'daemon/kernel', 'decoders', 'storage/route-decision.ts'],
  'daemon/mirror': [
    'daemon/routes',
    'daemon/netlink',
    'daemon/kernel',
    'daemon/log-limit.ts',
    'decoders',
    'storage',
  ],
  'daemon/netns': ['daemon/kernel', 'daemon/netlink'],
  'daemon/flow': ['decoders', 'storage/flow-batch.ts', 'storage/flow-extras.ts'],
  'daemon/capture': ['daemon', 'decoders', 'storage'],
  'daemon/control': ['daemon/netns', 'daemon/routes', 'daemon/rank/messages.ts', 'storage'],
  daemon: ['daemon', 'decoders', 'storage'],
  cli: ['daemon', 'decoders', 'storage'],
};

/** What the command line must not reach into: the hot path, and raw kernel structures. */
const CLI_NEVER = ['daemon/capture', 'daemon/flow'];

interface Import {
  from: string;
  /** Path from the root, or a package name. */
  to: string;
  typeOnly: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

function imports(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = [
    ...text.matchAll(/^(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'/gm),
    ...text.matchAll(/^import\s+()'([^']+)'/gm),
    ...text.matchAll(/\bimport(\()'([^']+)'\)/g),
  ];
  return found.map((m) => {
    const target = m[2]!;
    const to = target.startsWith('.') ? relative(root, resolve(root, dirname(file), target)) : target;
    return { from: file, to, typeOnly: m[1]?.trim() === 'type' };
  });
}

function inside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

const files = ['decoders', 'storage', 'daemon', 'cli'].flatMap(sources);
const all = files.flatMap(imports);

describe('architecture', () => {
  test('the tree has its folders and their imports were read', () => {
    for (const folder of Object.keys(ALLOWED)) {
      expect(
        files.some((f) => inside(f, folder)),
        `${folder} has sources`,
      ).toBe(true);
    }
    expect(all.length).toBeGreaterThan(100);
  });

  test('each folder imports only what it may', () => {
    const broken = all.filter(({ from, to }) => {
      const own = Object.keys(ALLOWED)
        .filter((folder) => inside(from, folder))
        .sort((a, b) => b.length - a.length)[0]!;
      if (!/\.(ts|js)$/.test(to)) return false;
      return !(inside(to, own) || ALLOWED[own]!.some((allowed) => inside(to, allowed)));
    });
    expect(broken.map((i) => `${i.from} -> ${i.to}`)).toEqual([]);
  });

  test('koffi is imported in daemon/kernel only', () => {
    const users = all.filter((i) => i.to === 'koffi').map((i) => dirname(i.from));
    expect([...new Set(users)]).toEqual(['daemon/kernel']);
  });

  test('better-sqlite3 is imported in storage only', () => {
    const users = all.filter((i) => i.to === 'better-sqlite3').map((i) => dirname(i.from));
    expect([...new Set(users)]).toEqual(['storage']);
  });

  test('the command line does not reach into the hot path', () => {
    const broken = all.filter(
      (i) => inside(i.from, 'cli') && CLI_NEVER.some((folder) => inside(i.to, folder)),
    );
    expect(broken.map((i) => `${i.from} -> ${i.to}`)).toEqual([]);
  });

  test('there is no import circle', () => {
    const graph = new Map(
      files.map((f) => [f, all.filter((i) => i.from === f && !i.typeOnly).map((i) => i.to)]),
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const walk = (file: string, path: string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      if (done.has(file) || path.includes(file)) return;
      for (const next of graph.get(file) ?? []) walk(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) walk(file, []);
    expect(circles).toEqual([]);
  });

  test('no source file is longer than 400 lines', () => {
    const long = files
      .map((f) => ({ f, lines: readFileSync(join(root, f), 'utf8').split('\n').length - 1 }))
      .filter(({ lines }) => lines > 400);
    expect(long).toEqual([]);
  });

  test('sources run on Node 22 as they are: types can be erased, no `using`; and exports are named', () => {
    const broken = files.filter((f) =>
      /^\s*(export\s+)?(const\s+)?enum\s|^\s*namespace\s|^export default|^\s*(await )?using \w+ =/m.test(
        readFileSync(join(root, f), 'utf8'),
      ),
    );
    expect(broken).toEqual([]);
  });
});
