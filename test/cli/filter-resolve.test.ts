import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../cli/errors.ts';
import { parseFilter } from '../../cli/filter/parse.ts';
import { type NameSources, resolveFilter } from '../../cli/filter/resolve.ts';

const HOSTS: Readonly<Record<string, string[]>> = {
  'web.lab': ['10.0.0.1', '2001:db8::1'],
  'db.lab': ['10.0.0.2'],
  müller: ['10.0.0.3'],
  link: ['fe80::1%eth0'],
  nothing: [],
};
let servicesFile = '';
let asked: string[] = [];
const sources = (): NameSources => ({
  host: async (name) => {
    asked.push(name);
    if (name === 'slow.lab') return new Promise(() => {});
    if (name === 'broken.lab')
      throw Object.assign(new Error('getaddrinfo EAI_AGAIN broken.lab'), { code: 'EAI_AGAIN' });
    const found = HOSTS[name];
    if (found === undefined)
      throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
    return found.map((address) => ({ address }));
  },
  servicesFile,
  timeoutMs: 50,
});
const resolve = (expression: string) => resolveFilter(expression, sources());

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-test-'));
  servicesFile = join(folder, 'services');
  writeFileSync(
    servicesFile,
    `# comment
https\t\t443/tcp\t\t# http protocol over TLS/SSL
https 443/udp
domain 53/tcp nameserver
domain 53/udp
twice 100/tcp
twice 200/udp
`,
  );
  return () => rmSync(folder, { recursive: true });
});

describe('with names looked up, a filter is that of', () => {
  test.each([
    ['host web.lab', 'host in [10.0.0.1 2001:db8::1]'],
    ['src host web.lab and dst db.lab', 'src host in [10.0.0.1 2001:db8::1] and dst host 10.0.0.2'],
    ['host in [web.lab, 10.9.9.9 db.lab]', 'host in [10.0.0.1 2001:db8::1 10.9.9.9 10.0.0.2]'],
    ['host != db.lab', 'host != 10.0.0.2'],
    ['ip db.lab', 'ip 10.0.0.2'],
    ['host müller', 'host 10.0.0.3'],
    ['host link', 'host fe80::1'],
    ['port https', 'port 443'],
    ['dst port in [https nameserver 80]', 'dst port in [443 53 80]'],
    ['port > domain', 'port > 53'],
    ['port twice', 'port in [100 200]'],
    ['host 10.0.0.1 and port 80', 'host 10.0.0.1 and port 80'],
    ['netns web.lab', 'netns web.lab'],
    ['', ''],
  ])('%s: %s', async (expression, same) => {
    expect(await resolve(expression)).toEqual(parseFilter(same));
  });

  test('each name once', async () => {
    asked = [];
    await resolve('host web.lab or src web.lab or dst host in [web.lab db.lab]');
    expect(asked).toEqual(['web.lab', 'db.lab']);
  });

  test('the system: localhost is 127.0.0.1 or ::1', async () => {
    expect(JSON.stringify(await resolveFilter('host localhost'))).toMatch(/"version":[46]/);
  });
});

describe('what cannot be looked up is a mistake with its place', () => {
  test.each([
    ['tcp and host nowhere.lab', 'cannot look up the host "nowhere.lab": there is no such host', 13],
    ['host broken.lab', 'cannot look up the host "broken.lab": no name server answers', 5],
    ['host slow.lab', 'cannot look up the host "slow.lab": no answer within 0.05 s', 5],
    ['host nothing', 'cannot look up the host "nothing": it has no address', 5],
    ['port htpps', 'cannot look up the service "htpps": there is none of this name in', 5],
    ['port > twice', '"twice" stands for several values: 100, 200', 7],
    ['host 10.0.0.256', 'found "10.0.0.256" where this was expected: an IPv4 or IPv6 address', 5],
    ['host web.lab prot 80', 'found "prot"', 13],
    [
      `host in [${Array.from({ length: 101 }, (_, i) => `h${i}`).join(' ')}]`,
      'at most 100 names are looked up',
      null,
    ],
  ])('%s', async (expression, said, column) => {
    asked = [];
    const error = await resolve(expression).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    const lines = (error as UsageError).message.split('\n');
    expect(lines[0]).toContain(said);
    if (column !== null) expect(lines.at(-1)).toBe(`${' '.repeat(column + 2)}^`);
  });

  test('and a mistake elsewhere asks no name server', async () => {
    asked = [];
    await expect(resolve('host web.lab prot 80')).rejects.toThrow(UsageError);
    expect(asked).toEqual([]);
  });

  test('a list of services that is not there', async () => {
    await expect(
      resolveFilter('port https', { ...sources(), servicesFile: '/nonexistent/services' }),
    ).rejects.toThrow(/\/nonexistent\/services cannot be read \(ENOENT\)/);
  });
});
