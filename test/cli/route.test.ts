import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab, labMissing } from '../kernel/lab.ts';
import { ipBatch } from '../routes/ip-batch.ts';

const missing = labMissing();
const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/routes/${name}`, import.meta.url));

function nstap(words: string[], input = ''): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], {
    encoding: 'utf8',
    input,
  });
  return { status, stdout, stderr };
}

const json = (words: string[]): Record<string, unknown> => {
  const { status, stdout, stderr } = nstap([...words, '--json']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
};

describe('route get on files', () => {
  const laptop = ['--routes', fixture('laptop.txt')];
  const policy = ['--routes', fixture('policy.routes.txt'), '--rules', fixture('policy.rules.txt')];

  test('has the decision’s keys, what was asked, and each rule tried', () => {
    const answer = json(['route', 'get', '8.8.8.8', '--from', '192.168.0.31', ...laptop]);
    expect(answer).toEqual({
      type: 'unicast',
      verdict: 'send',
      rule: 32766,
      table: 'main',
      prefix: '0.0.0.0/0',
      gateway: '192.168.0.1',
      dev: 'wlp0s20f3',
      scope: 'global',
      protocol: 'dhcp',
      metric: 600,
      prefsrc: null,
      stage: 'output',
      observed: 'n/a',
      confidence: 'exact',
      reason: null,
      text: 'default via 192.168.0.1 dev wlp0s20f3 proto dhcp metric 600',
      query: {
        dst: '8.8.8.8',
        from: '192.168.0.31',
        iif: null,
        oif: null,
        tos: null,
        mark: null,
        uid: null,
        ipproto: null,
        sport: null,
        dport: null,
      },
      steps: [
        {
          rule: 0,
          text: 'from all lookup local',
          matched: true,
          why: 'no route in the table',
          table: 'local',
          prefix: null,
        },
        {
          rule: 32766,
          text: 'from all lookup main',
          matched: true,
          why: 'route found',
          table: 'main',
          prefix: '0.0.0.0/0',
        },
      ],
    });
  });

  test('is explained in words', () => {
    const { stdout, status } = nstap([
      'route',
      'get',
      '10.66.1.1',
      '--from',
      '10.2.0.1',
      '--iif',
      'eth0',
      '--mark',
      '0',
      ...policy,
    ]);
    expect(status).toBe(0);
    expect(stdout).toContain('10.66.1.1 from 10.2.0.1 iif eth0 mark 0x0: dropped (prohibit)');
    expect(stdout).toContain('rule 120 has the action prohibit');
    expect(stdout).toMatch(/100: {6}from 10\.1\.0\.0\/16 lookup 100 +from does not match/);
    expect(stdout).toMatch(/120: {4}\* from all to 10\.66\.0\.0\/16 prohibit +rule rejects: prohibit/);
    expect(stdout).not.toContain('\u001b[');
  });

  test('a mark, TOS and ports are taken', () => {
    expect(json(['route', 'get', '10.50.1.1', '--mark', '0x101', ...policy])).toMatchObject({
      rule: 110,
      table: '200',
    });
    expect(json(['route', 'get', '10.68.1.1', '--tos', '0x10', '--mark', '0', ...policy])).toMatchObject({
      rule: 190,
    });
    expect(
      json(['route', 'get', '10.51.1.1', '--ipproto', 'tcp', '--dport', '443', '--mark', '0', ...policy]),
    ).toMatchObject({ rule: 140 });
    expect(json(['route', 'get', '10.50.1.1', ...policy])).toMatchObject({ confidence: 'assumed' });
  });

  test('a batch answers each line with a line, and a wrong one with its mistake', () => {
    const lines = [
      '{"dst":"8.8.8.8"}',
      '',
      '{"dst":"10.51.1.1","ipproto":"tcp","dport":443,"mark":"0x0"}',
      '{"dst":"nowhere"}',
      'oops',
      '{"dst":"10.71.0.1"}',
    ];
    const { status, stdout, stderr } = nstap(
      ['route', 'get', '--batch', '-', ...policy],
      `${lines.join('\n')}\n`,
    );
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { rule?: number; type?: string; error?: string });
    expect(answers.map(({ type, error }) => type ?? error)).toEqual([
      'unicast',
      'unicast',
      'destination: nowhere is no address',
      expect.stringContaining('no JSON'),
      'blackhole',
    ]);
    expect(answers[1]!.rule).toBe(140);
    expect(stderr).toContain('line 4: destination: nowhere is no address');
    expect(status).toBe(1);
  });

  test.each([
    [['route', 'get'], 'give either a destination or --batch'],
    [['route', 'get', '1.1.1.1', '--batch', '-'], 'give either a destination or --batch'],
    [['route', 'get', 'example.com'], 'example.com is no address'],
    [['route', 'get', '1.1.1.1', '--from', '::1'], 'different families'],
    [['route', 'get', '1.1.1.1', '--tos', '300'], '255'],
    [['route', 'get', '1.1.1.1', '--ipproto', 'nosuch'], 'nosuch'],
    [['route', 'get', '1.1.1.1', '--verify', ...laptop], '--verify'],
    [['route', 'get', '1.1.1.1', '--snapshot', 'x', ...laptop], '--snapshot'],
    [['routes', '--nonsense'], '--nonsense'],
  ])('%j is wrong usage', (words, message) => {
    const { status, stdout, stderr } = nstap(words);
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });

  test('a file that is wrong is a failure that names line and word', () => {
    const folder = mkdtempSync(join(tmpdir(), 'nstap-'));
    try {
      writeFileSync(join(folder, 'r.txt'), 'default via 10.0.0.1 dev eth0\n10.0.0.0/8 vai 10.0.0.2\n');
      const { status, stderr } = nstap(['route', 'get', '1.1.1.1', '--routes', join(folder, 'r.txt')]);
      expect(stderr).toContain('r.txt line 2: "vai": unknown word');
      expect(status).toBe(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('routes are grouped by table, and their JSON is a snapshot that is read again', () => {
    const { stdout } = nstap(['routes', ...policy]);
    expect(stdout).toContain('IPv4 rules\n  0:\tfrom all lookup local\n');
    expect(stdout).toContain('IPv4 table 100\n  default via 10.9.9.1 dev eth1 table 100\n');
    const folder = mkdtempSync(join(tmpdir(), 'nstap-'));
    try {
      const file = join(folder, 'snapshot.json');
      writeFileSync(file, nstap(['routes', '--json', ...policy]).stdout);
      expect(nstap(['routes', '--snapshot', file]).stdout).toBe(stdout);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(missing !== null)(`on the live kernel${missing === null ? '' : ` (${missing})`}`, () => {
  const lab = new Lab('cl');
  let a: string;
  let b: string;
  const stale = `nsb-stale-cli-${process.pid}`;

  beforeAll(() => {
    a = lab.add('a');
    b = lab.add('b');
    lab.veth(a, 'toB', '10.9.0.1/24', b, 'toA', '10.9.0.2/24');
    ipBatch(
      a,
      [
        'route add 10.2.0.0/16 via 10.9.0.2',
        'route add blackhole 10.3.0.0/16',
        'rule add pref 100 from 10.4.0.0/16 lookup 100',
      ],
      false,
    );
    mkdirSync('/run/netns', { recursive: true });
    writeFileSync(`/run/netns/${stale}`, '');
  });
  afterAll(() => {
    rmSync(`/run/netns/${stale}`, { force: true });
    lab.close();
  });

  test('a decision is verified with the kernel', () => {
    expect(json(['route', 'get', '10.2.3.4', '--netns', a, '--verify'])).toMatchObject({
      gateway: '10.9.0.2',
      dev: 'toB',
      agrees: true,
      kernel: { prefix: '10.2.0.0/16', gateway: '10.9.0.2', dev: 'toB', error: null },
    });
    expect(json(['route', 'get', '10.3.3.4', '--netns', a, '--verify'])).toMatchObject({
      type: 'blackhole',
      agrees: true,
      kernel: { type: null, error: 'EINVAL' },
    });
  });

  test('a batch is verified too', () => {
    const queries = ['10.2.3.4', '10.9.0.1', '10.9.0.255', '8.8.8.8', '127.0.0.1', '255.255.255.255'].map(
      (dst) => JSON.stringify({ dst }),
    );
    queries.push(
      '{"dst":"10.9.0.1","from":"10.9.0.7","iif":"toB"}',
      '{"dst":"10.2.0.1","from":"10.9.0.7","iif":"toB"}',
    );
    const { stdout, stderr, status } = nstap(
      ['route', 'get', '--netns', a, '--batch', '-', '--verify'],
      queries.join('\n'),
    );
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { agrees: boolean });
    expect(answers.map(({ agrees }) => agrees)).toEqual(queries.map(() => true));
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  test('a bound device, an owner and a DSCP are asked, alone and in a batch, and said back', () => {
    ipBatch(
      a,
      [
        'rule add pref 90 uidrange 1000-1000 lookup 90',
        'route add blackhole default table 90',
        'rule add pref 91 tos 0x08 lookup 91',
        'route add prohibit default table 91',
      ],
      false,
    );
    const asked = [
      [{ uid: 1000 }, 'blackhole', { uid: 1000, oif: null, tos: null }],
      [{ uid: 999 }, 'unicast', { uid: 999 }],
      [{ oif: 'toB', uid: 0 }, 'unicast', { oif: 'toB', uid: 0 }],
      [{ dscp: 2 }, 'prohibit', { tos: 8 }],
    ] as const;
    const { stdout } = nstap(
      ['route', 'get', '--netns', a, '--batch', '-', '--verify'],
      asked.map(([query]) => JSON.stringify({ dst: '10.2.3.4', ...query })).join('\n'),
    );
    const batch = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    asked.forEach(([query, type, said], i) => {
      const flags = Object.entries(query).flatMap(([name, value]) => [`--${name}`, String(value)]);
      const alone = json(['route', 'get', '10.2.3.4', '--netns', a, '--verify', ...flags]);
      expect(alone).toMatchObject({ type, agrees: true, query: said });
      expect(batch[i]).toEqual(alone);
    });
    expect(nstap(['route', 'get', '1.1.1.1', '--netns', a, '--oif', 'nodev'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('no interface nodev'),
    });
    expect(nstap(['route', 'get', '1.1.1.1', '--netns', a, '--tos', '8', '--dscp', '2']).status).toBe(2);
    ipBatch(a, ['rule del pref 90', 'rule del pref 91'], false);
  });

  test('a namespace or interface that is not there says so', () => {
    expect(nstap(['route', 'get', '1.1.1.1', '--netns', 'nsb-nowhere'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('/run/netns/nsb-nowhere'),
    });
    expect(nstap(['route', 'get', '1.1.1.1', '--netns', a, '--iif', 'nodev'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`no interface nodev in ${a}`),
    });
  });

  test('namespaces are listed with veth peers, and a stale name is a line', () => {
    const list = json(['netns']) as unknown as {
      name: string;
      error: string | null;
      interfaces: { name: string; peer: unknown; addresses: string[]; up: boolean }[];
    }[];
    const find = (name: string) => list.find((entry) => entry.name === name)!;
    expect(find('host').interfaces.some(({ name }) => name === 'lo')).toBe(true);
    expect(find(a).interfaces.find(({ name }) => name === 'toB')).toMatchObject({
      peer: { netns: b, interface: 'toA' },
      addresses: ['10.9.0.1/24'],
      up: true,
    });
    expect(find(b).interfaces.find(({ name }) => name === 'toA')).toMatchObject({
      peer: { netns: a, interface: 'toB' },
    });
    expect(find(stale)).toMatchObject({ error: expect.stringContaining('stale'), interfaces: [] });
    const { stdout, status } = nstap(['netns']);
    expect(stdout).toMatch(new RegExp(`toB  veth  up    10.9.0.1/24 <-> toA in ${b}`));
    expect(stdout).toContain(`${stale}  open /run/netns/${stale}: no network namespace`);
    expect(status).toBe(0);
  });
});
