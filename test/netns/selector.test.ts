import { describe, expect, it } from 'vitest';
import {
  matchesNetns,
  type NetnsCandidate,
  needsProcesses,
  parseInterfaceSelectors,
  parseNetnsSelectors,
  SelectorError,
  selectsInterface,
} from '../../daemon/netns/selector.ts';

function candidate(fields: Partial<NetnsCandidate>): NetnsCandidate {
  return {
    isHost: false,
    names: [],
    label: null,
    hasProcesses: false,
    isNew: false,
    paths: new Set(),
    pids: new Set(),
    ...fields,
  };
}

const host = candidate({ isHost: true, hasProcesses: true });
const red = candidate({ names: ['red'] });
const shared = candidate({ names: ['cni-1'], hasProcesses: true, label: 'cri-containerd:0123456789ab' });
const docker = candidate({ hasProcesses: true, label: 'docker:0123456789ab', isNew: true });
const program = candidate({ hasProcesses: true, label: 'pid:4711:nginx', pids: new Set([4711]) });
const numbered = candidate({ names: ['4711'] });
const path = candidate({ paths: new Set(['/run/docker/netns/*']) });
const all = { host, red, shared, docker, program, numbered, path };

/** Names of the candidates that the selectors choose. */
function chosen(...texts: string[]): string[] {
  const { include, exclude } = parseNetnsSelectors(texts);
  return Object.entries(all)
    .filter(([, netns]) => include.some(({ term }) => matchesNetns(netns, term)))
    .filter(([, netns]) => !exclude.some(({ term }) => matchesNetns(netns, term)))
    .map(([name]) => name);
}

describe('selectors of namespaces', () => {
  it.each([
    [['host'], ['host']],
    [['any'], ['host', 'red', 'shared', 'numbered']],
    [[], ['host', 'red', 'shared', 'numbered']],
    [['processes'], ['shared', 'docker', 'program']],
    [['all'], ['host', 'red', 'shared', 'docker', 'program', 'numbered', 'path']],
    [['newly'], ['docker']],
    [['red'], ['red']],
    [
      ['r*', 'host'],
      ['host', 'red'],
    ],
    [['*'], ['red', 'shared', 'numbered']],
    [['pid:4711'], ['program']],
    // A name that is a number comes first, as in `ip link set netns`.
    [['4711'], ['program', 'numbered']],
    [['pid:*:nginx'], ['program']],
    [['docker:*'], ['docker']],
    [['*:0123456789ab'], ['shared', 'docker']],
    [[`docker:0123456789ab${'cd'.repeat(26)}`], ['docker']],
    [['/run/docker/netns/*'], ['path']],
    [['!red'], ['host', 'shared', 'numbered']],
    [
      ['!host', 'all', '!docker:*'],
      ['red', 'shared', 'program', 'numbered', 'path'],
    ],
    [
      ['processes', '!newly'],
      ['shared', 'program'],
    ],
    [['all', '!all'], []],
  ])('%j choose %j', (selectors, expected) => {
    expect(chosen(...selectors)).toEqual(expected);
  });

  it.each([
    ['', 'is empty'],
    ['!', 'is empty'],
    ['!!a', 'more than one !'],
    ['a/b', 'a path must begin with / and a name has none'],
    ['./a', 'a path must begin with / and a name has none'],
    ['..', 'no namespace can have this name'],
    ['n'.repeat(256), 'no namespace can have this name'],
    ['pid:', 'pid: wants the number of a process'],
    ['pid:0', 'pid: wants the number of a process'],
    ['pid:4194305', 'pid: wants the number of a process'],
    ['pid:nginx', 'pid: wants the number of a process'],
    ['[z-a]', 'a range in it runs backwards'],
  ])('refuses %j: %s, and says what is allowed', (text, wrong) => {
    expect(() => parseNetnsSelectors(['any', text])).toThrow(SelectorError);
    expect(() => parseNetnsSelectors(['any', text])).toThrow(`: ${wrong}; allowed: `);
  });

  it('looks at processes only for selectors that need it', () => {
    const needing = [
      'host',
      'any',
      'processes',
      'all',
      'newly',
      'red',
      'r*',
      '4711',
      'pid:1',
      '/a',
      'docker:*',
    ];
    expect(needing.filter((text) => needsProcesses(parseNetnsSelectors([text]).include[0]!.term))).toEqual([
      'processes',
      'all',
      'newly',
      'docker:*',
    ]);
  });
});

describe('selectors of interfaces', () => {
  const names = ['lo', 'eth0', 'veth1a', 'docker0', 'br-1'];
  it.each([
    [[], names],
    [['*'], names],
    [
      ['eth0', 'lo'],
      ['lo', 'eth0'],
    ],
    [
      ['!docker*', '!veth*'],
      ['lo', 'eth0', 'br-1'],
    ],
    [['!veth1a', '*eth*'], ['eth0']],
    [['?o'], ['lo']],
  ])('%j choose %j', (selectors, expected) => {
    const selection = parseInterfaceSelectors(selectors);
    expect(names.filter((name) => selectsInterface(selection, name))).toEqual(expected);
  });

  it.each([
    ['', 'is empty'],
    ['!', 'is empty'],
    ['a b', 'no interface can have a slash or a space in its name'],
    ['a/b', 'no interface can have a slash or a space in its name'],
    ['sixteen-octets-x', 'longer than the name of an interface can be'],
    ['[z-a]', 'a range in it runs backwards'],
  ])('refuses %j: %s, and says what is allowed', (text, wrong) => {
    expect(() => parseInterfaceSelectors([text])).toThrow(`: ${wrong}; allowed: `);
  });
});
