import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { type ListedInterface, type ListedNetns, listNamespaces } from '../../cli/netns-list.ts';
import { Lab, labMissing, run } from '../kernel/lab.ts';
import { OwnNetns } from '../netns/own-netns.ts';
import { MAIN, nstap } from '../support/nstap.ts';
import { Terminal, terminalMissing } from '../support/terminal.ts';

const missing = labMissing('setpriv') ?? terminalMissing();

/** Without a daemon that may run on this host. */
const NETNS = ['netns', '--control', 'none'];

function listed(...words: string[]): ListedNetns[] {
  const { status, stdout } = nstap([...NETNS, '--json', ...words]);
  expect(status).toBe(0);
  return JSON.parse(stdout) as ListedNetns[];
}

describe.skipIf(missing !== null)(`nstap netns${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('list');
  const stale = `/run/netns/nsd-list${process.pid}-stale`;
  const started: OwnNetns[] = [];
  afterEach(async () => {
    rmSync(stale, { force: true });
    for (const own of started.splice(0)) await own.stop();
    lab.removeAll();
  });
  afterAll(() => lab.close());

  async function ownNetns(): Promise<OwnNetns> {
    const own = await OwnNetns.start();
    started.push(own);
    return own;
  }

  test('lists the host, names, and the namespaces of processes, and says what is no namespace', async () => {
    const a = lab.add('a');
    const own = await ownNetns();
    lab.ip(a, `link add v0 type veth peer name w0 netns ${own.pid}`);
    writeFileSync(stale, '');
    const list = listed();
    expect(list[0]).toMatchObject({ name: 'host', error: null, label: null });
    const named = (name: string): ListedNetns | undefined => list.find((netns) => netns.name === name);
    const label = `pid:${own.pid}:sleep`;
    expect(named(a)).toMatchObject({ error: null, label: null, processes: 0, captured: null, reason: null });
    expect(named(a)!.interfaces.find(({ name }) => name === 'v0')!.peer).toEqual({
      netns: label,
      interface: 'w0',
      if_index: 2,
    });
    expect(named(label)).toMatchObject({
      id: expect.stringMatching(new RegExp(`:${own.inode}$`)),
      error: null,
      label,
      processes: 1,
      containers: [],
      programs: [{ name: 'sleep', processes: 1 }],
    });
    expect(named(stale.slice('/run/netns/'.length))).toMatchObject({
      id: null,
      error: expect.stringContaining('no network namespace'),
      interfaces: [],
    });
    const text = nstap(NETNS).stdout;
    expect(text).toContain(`${label}  (`);
  });

  test('reads the routes where a process is, by its number or label, with no daemon', async () => {
    const own = await ownNetns();
    run('nsenter', `--net=/proc/${own.pid}/ns/net`, 'ip', 'link', 'set', 'lo', 'up');
    run('nsenter', `--net=/proc/${own.pid}/ns/net`, 'ip', 'route', 'add', 'blackhole', '10.66.0.0/16');
    for (const netns of [`pid:${own.pid}`, `pid:${own.pid}:sleep`]) {
      expect(nstap(['routes', '--netns', netns]).stdout).toContain('blackhole 10.66.0.0/16');
      const { stdout } = nstap(['route', 'get', '10.66.0.1', '--netns', netns, '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ type: 'blackhole', prefix: '10.66.0.0/16' });
    }
    const none = nstap(['routes', '--netns', 'docker:000000000000']);
    expect([none.status, none.stderr]).toEqual([
      2,
      'nstap: --netns docker:000000000000: there is no such namespace; `nstap netns` lists them\n',
    ]);
    const wrong = nstap(['routes', '--netns', 'pid:x']);
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringMatching(/^nstap: "pid:x": pid: wants/)]);
  });

  test('names the processes in a namespace that has a name, too', async () => {
    const b = lab.add('b');
    const children = [
      lab.start(b, 'sleep', '600'),
      lab.start(b, 'sleep', '600'),
      lab.start(b, 'cat', '/dev/zero'),
    ];
    for (const [i, comm] of ['sleep', 'sleep', 'cat'].entries())
      await expect
        .poll(() => readFileSync(`/proc/${children[i]!.pid}/comm`, 'utf8').trim(), { timeout: 30_000 })
        .toBe(comm);
    const first = children.map(({ pid }) => pid!).sort((x, y) => x - y)[0]!;
    const label = `pid:${first}:${first === children[2]!.pid ? 'cat' : 'sleep'}`;
    expect(listed(b)).toMatchObject([{ name: b, label, processes: 3 }]);
    const { stdout } = nstap([...NETNS, b]);
    expect(stdout).toContain(`${b}  ${label}  (`);
    expect(stdout).toContain('  3 processes: sleep (2), cat\n');
  });

  /** A bridge with two ports whose peers are elsewhere, devices on others, and what is down. */
  function scene(): { a: string; b: string } {
    const a = lab.add('tree-a');
    const b = lab.add('tree-b');
    for (const words of [
      'link add br0 type bridge',
      'addr add 10.77.0.1/24 dev br0',
      `link add p0 type veth peer name eth0 netns ${b}`,
      'link add p1 type veth peer name q1',
      'link set p0 master br0 up',
      'link set p1 master br0',
      'link set br0 up',
      'link add link q1 name mv0 type macvlan mode bridge',
      'tuntap add dev tap0 mode tap',
      'link add vx0 type vxlan id 42 remote 10.77.0.9 dev br0 dstport 4789',
      `link set vx0 netns ${b}`,
      `link add link q1 name mv1 netns ${b} type macvlan mode vepa`,
    ])
      lab.ip(a, words);
    lab.ip(b, 'link set eth0 up');
    return { a, b };
  }

  test('is a tree: ports below their bridge, peers and lower devices with the namespace that they are in', () => {
    const { a, b } = scene();
    const { stdout } = spawnSync(process.execPath, [MAIN, ...NETNS, a, b], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    const lines = stdout
      .replace(/ (fe80|fdd8)::\S+/g, '')
      .replaceAll(a, 'A')
      .replaceAll(b, 'B')
      .replace(/\(\d+:\d+\)/g, '(id)')
      .split('\n');
    expect(lines).toEqual([
      'A  (id)',
      '├─ lo              up    127.0.0.1/8 ::1/128',
      '├─ br0    bridge   up    10.77.0.1/24',
      '│  ├─ p0  veth     up    ↔ eth0 in B',
      '│  └─ p1  veth     down  ↔ q1',
      '├─ q1     veth     down  ↔ p1',
      '├─ mv0    macvlan  down  mode bridge on q1',
      '└─ tap0   tun      down  tap',
      'B  (id)',
      '├─ lo             up    127.0.0.1/8 ::1/128',
      '├─ eth0  veth     up    ↔ p0 in A',
      '├─ mv1   macvlan  down  mode vepa on q1 in A',
      '└─ vx0   vxlan    down  id 42 remote 10.77.0.9 port 4789 on br0 in A',
      '',
    ]);
  });

  test('finds the same peers and lower devices as `ip` does by the ids of namespaces', () => {
    const { a, b } = scene();
    interface IpLink {
      ifname: string;
      ifindex: number;
      link?: string;
      link_index?: number;
      link_netnsid?: number;
    }
    const links = (netns: string): IpLink[] =>
      JSON.parse(run('ip', '-n', netns, '-j', '-d', 'link')) as IpLink[];
    const found = listed(a, b);
    let compared = 0;
    for (const netns of [a, b]) {
      const names = JSON.parse(run('ip', '-n', netns, '-j', 'netns', 'list-id')) as {
        nsid: number;
        name?: string;
      }[];
      const { interfaces } = found.find(({ name }) => name === netns)!;
      for (const link of links(netns)) {
        const ours: ListedInterface = interfaces.find(({ name }) => name === link.ifname)!;
        if (link.ifname === 'vx0') continue; // its device stands among the details, and `ip` prints its number
        const far = ours.peer ?? ours.lower;
        if (link.link === undefined && link.link_index === undefined) {
          expect(far, link.ifname).toBeNull();
          continue;
        }
        compared++;
        if (link.link_netnsid === undefined) expect(far).toMatchObject({ netns, interface: link.link });
        else {
          const home = names.find(({ nsid }) => nsid === link.link_netnsid)!.name!;
          const name = links(home).find(({ ifindex }) => ifindex === link.link_index)!.ifname;
          expect(far).toEqual({ netns: home, interface: name, if_index: link.link_index });
        }
      }
    }
    expect(compared).toBeGreaterThanOrEqual(6);
  });

  test('a peer in a namespace that nobody can name, and one that is held by a process only', async () => {
    const a = lab.add('lost');
    const own = await ownNetns();
    const hidden = `nsd-list${process.pid}-hidden`;
    run('ip', 'netns', 'add', hidden);
    lab.ip(a, `link add v0 type veth peer name w0 netns ${own.pid}`);
    lab.ip(a, `link add v1 type veth peer name w1 netns ${hidden}`);
    // A mount elsewhere holds it: no name, no process.
    const folder = `/run/nsd-list${process.pid}-held`;
    writeFileSync(folder, '');
    run('mount', '--bind', `/run/netns/${hidden}`, folder);
    run('ip', 'netns', 'del', hidden);
    try {
      const { stdout } = nstap([...NETNS, a]);
      expect(stdout).toMatch(new RegExp(`v0 .* w0 in pid:${own.pid}:sleep$`, 'm'));
      expect(stdout).toMatch(/v1 .* if2 in a namespace without a name$/m);
    } finally {
      run('umount', folder);
      rmSync(folder);
    }
  });

  test('names with odd characters are shown as what they are, and do nothing to the terminal', async () => {
    const odd = `nsd-list${process.pid}-\u001b[31mred`;
    const wide = `nsd-list${process.pid}-名前空間`;
    for (const name of [odd, wide]) run('ip', 'netns', 'add', name);
    try {
      run('ip', '-n', wide, 'link', 'add', 'é\u001b[7m', 'type', 'veth', 'peer', 'name', 'p', 'netns', odd);
      const { stdout } = nstap([...NETNS, `nsd-list${process.pid}-*`]);
      expect(stdout).not.toContain('\u001b');
      expect(stdout).toContain('\\x1b[31mred  (');
      expect(stdout).toMatch(/é\\x1b\[7m .* p in nsd-list\d+-\\x1b\[31mred$/m);
      using terminal = Terminal.start([process.execPath, MAIN, ...NETNS, wide], {
        width: 90,
        env: { LC_ALL: 'C.UTF-8' },
      });
      expect(await terminal.waitForEnd()).toBe(0);
      expect(terminal.screen()[0]).toContain('名前空間');
    } finally {
      for (const name of [odd, wide]) run('ip', 'netns', 'del', name);
    }
  });

  test('fits the terminal, with what does not fit on lines of its own, in colours, and in ASCII where that is all there is', async () => {
    const { a, b } = scene();
    for (let i = 1; i <= 6; i++) lab.ip(a, `addr add 10.88.${i}.1/24 dev q1`);
    const show = async (width: number, env: Record<string, string>) => {
      using terminal = Terminal.start([process.execPath, MAIN, ...NETNS, a, b], { width, height: 40, env });
      expect(await terminal.waitForEnd()).toBe(0);
      return { plain: terminal.screen(), colored: terminal.coloredScreen().join('\n') };
    };
    const { plain, colored } = await show(60, { LC_ALL: 'C.UTF-8' });
    // A line that was too long would have been wrapped by the terminal, in the middle of a word.
    const text = plain.join('\n');
    for (const line of plain) expect(line.length).toBeLessThanOrEqual(60);
    for (let i = 1; i <= 6; i++) expect(text).toMatch(new RegExp(`(^| )10\\.88\\.${i}\\.1/24( |$)`, 'm'));
    expect(plain.filter((line) => /^│ +10\.88\./.test(line)).length).toBeGreaterThan(0);
    expect(colored).toContain('\u001b[31mdown');
    expect(colored).toContain('\u001b[32mup');
    const ascii = await show(100, { LC_ALL: 'C', NO_COLOR: '1' });
    expect(ascii.plain.join('')).toMatch(/^[\x20-\x7e]*$/);
    expect(ascii.plain.join('\n')).toContain('|  |- p0');
    expect(ascii.colored).not.toContain('\u001b[3');
  });

  test('shows what selectors choose, and says when that is nothing', () => {
    const { a, b } = scene();
    const names = (...selectors: string[]): string[] => listed(...selectors).map(({ name }) => name);
    expect(names(b, a)).toEqual([a, b]);
    expect(names(`nsd-list${process.pid}-tree-*`, `!${a}`)).toEqual([b]);
    // Peers of namespaces that are not shown are named.
    expect(listed(b)[0]!.interfaces.find(({ name }) => name === 'eth0')!.peer).toMatchObject({ netns: a });
    expect(nstap([...NETNS, 'nsd-none'])).toEqual({
      status: 1,
      stdout: '',
      stderr: 'nstap: no namespace is nsd-none; `nstap netns` lists them all\n',
    });
    expect(nstap([...NETNS, '[z-a]']).status).toBe(2);
  });

  test('without root shows what it may see, and says on stderr what that is not', () => {
    const { a, b } = scene();
    run('ip', 'link', 'add', `nsv${process.pid}`, 'type', 'veth', 'peer', 'name', 'eth9', 'netns', b);
    try {
      const shown = spawnSync(
        'setpriv',
        ['--reuid=54321', '--regid=54321', '--clear-groups', process.execPath, MAIN, ...NETNS, 'host', a, b],
        { encoding: 'utf8', cwd: '/', env: { ...process.env, LC_ALL: 'C' } },
      );
      expect(shown.stdout).toMatch(new RegExp(`nsv${process.pid} .*<-> if\\d+ in ${b}$`, 'm'));
      expect(shown.stdout).toMatch(new RegExp(`^${a}  \\(\\S+\\)  not entered: needs root$`, 'm'));
      expect(shown.stderr).toMatch(
        /^nstap: 2 namespaces could not be entered, and the namespaces of \d+ processes of other users could not be seen: that needs root\n$/,
      );
      expect(shown.status).toBe(0);
    } finally {
      run('ip', 'link', 'del', `nsv${process.pid}`);
    }
  });

  test('shows namespaces that only the daemon may see, by what it tells', () => {
    const told = {
      netns: [{ netns: 'docker:0123456789ab', netnsId: '4:1', interfaces: 1, captured: 1, reason: '' }],
      interfaces: [
        {
          netns: 'docker:0123456789ab',
          netnsId: '4:1',
          interface: 'eth0',
          ifIndex: 2,
          up: true,
          captured: true,
          reason: '',
        },
      ],
    };
    expect(listNamespaces(told).list.at(-1)).toMatchObject({
      name: 'docker:0123456789ab',
      id: '4:1',
      error: 'not to be seen by this user: what the daemon says of it',
      captured: true,
      interfaces: [
        { name: 'eth0', if_index: 2, up: true, kind: null, mtu: null, captured: true, reason: null },
      ],
    });
  });

  test('`nstap interfaces` has the same, a line each, and fits 80 columns', async () => {
    const { a, b } = scene();
    const { stdout } = nstap(['interfaces', '--control', 'none', '--json', '--netns', b]);
    const rows = JSON.parse(stdout) as Record<string, unknown>[];
    const tree = listed(b)[0]!.interfaces;
    expect(rows.map(({ interface: name }) => name)).toEqual(tree.map(({ name }) => name));
    for (const [i, { name, counters, ...entry }] of tree.entries()) {
      expect(rows[i]).toMatchObject({ ...entry, interface: name, netns: b, packets: null });
      expect(counters).not.toBeNull();
      expect(Object.keys(rows[i]!)).toEqual(expect.arrayContaining(Object.keys(counters!)));
    }
    using terminal = Terminal.start(
      [process.execPath, MAIN, 'interfaces', '--control', 'none', '--netns', a],
      { env: { LC_ALL: 'C.UTF-8' } },
    );
    expect(await terminal.waitForEnd()).toBe(0);
    const screen = terminal.screen();
    expect(screen).toHaveLength(listed(a)[0]!.interfaces.length + 1);
    expect(screen[0]).toMatch(/^NETNS +INTERFACE +(INDEX +)?KIND +STATE/);
  });

  test('holds no descriptor and no namespace afterwards, whatever their number', () => {
    const names = Array.from({ length: 30 }, (_, i) => lab.add(`many${i}`));
    for (const [i, name] of names.entries())
      lab.ip(name, `link add v0 type veth peer name w${i} netns ${names[(i + 1) % names.length]}`);
    listNamespaces(null);
    const before = readdirSync('/proc/self/fd').length;
    const { list } = listNamespaces(null);
    expect(readdirSync('/proc/self/fd').length).toBe(before);
    for (const [i, name] of names.entries())
      expect(
        list.find((netns) => netns.name === name)!.interfaces.find((each) => each.name === 'v0')!.peer,
      ).toMatchObject({ netns: names[(i + 1) % names.length], interface: `w${i}` });
    // With fewer descriptors than there are namespaces.
    const { status, stdout } = spawnSync(
      'sh',
      ['-c', `ulimit -n 28; exec '${process.execPath}' '${MAIN}' ${NETNS.join(' ')} --json`],
      {
        encoding: 'utf8',
      },
    );
    expect(status).toBe(0);
    expect((JSON.parse(stdout) as ListedNetns[]).filter(({ error }) => error !== null)).toEqual([]);
  });
});
