import { expect, test } from 'vitest';
import { measured } from '../../bench/measured.ts';
import { conversationFrames, NSTAP_PEER, type Peer } from '../../bench/peers.ts';
import { inTurn } from '../../bench/replay.ts';
import { Report } from '../../bench/report.ts';
import { DEMO_CAPTURE } from '../../bench/support.ts';

function peer(name: string, script: string, rounds = 2, limitSec = 20): Peer {
  return {
    id: name,
    name,
    programs: [],
    command: () => ['sh', '-c', script],
    count: ({ stdout }) => Number(stdout),
    rounds,
    limitSec,
  };
}

test('every peer runs once a round, and once before that is not counted', () => {
  const report = new Report();
  const runs = inTurn('capture', 7, [peer('a', 'echo 7'), peer('b', 'echo 7', 1)], 5, report);
  expect([...runs].map(([{ name }, list]) => [name, list.length])).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
  expect(report.notes).toEqual([]);
});

test('a peer that counts other packets, fails or does not end is left out, and said', () => {
  const report = new Report();
  const peers = [
    peer('miscounts', 'echo 6'),
    peer('fails', 'echo no such file >&2; exit 3'),
    peer('sleeps', 'exec sleep 60', 2, 0.2),
    peer('right', 'echo 7'),
  ];
  const runs = inTurn('capture', 7, peers, 5, report);
  expect([...runs.keys()].map(({ name }) => name)).toEqual(['right']);
  expect(report.notes).toEqual([
    'miscounts: counted 6 of 7 packets; left out',
    'fails: sh ended with 3: no such file; left out',
    'sleeps: sh did not end within 0.2 s; left out',
  ]);
});

test('nstap counts the packets of a capture as any peer', () => {
  const report = new Report();
  inTurn(DEMO_CAPTURE, 1, [{ ...NSTAP_PEER, rounds: 1 }], 1, report);
  expect(report.notes[0]).toMatch(/^nstap replay \(into SQLite\): counted \d\d+ of 1 packets; left out$/);
});

test('a command is measured with its output and its children', () => {
  const { wallSec, cpuSec, peakMib, stdout, stderr } = measured(
    ['sh', '-c', 'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; echo out; echo err >&2'],
    20,
  );
  expect({ stdout, stderr }).toEqual({ stdout: 'out\n', stderr: 'err\n' });
  expect(wallSec).toBeGreaterThan(0);
  expect(cpuSec).toBeGreaterThan(0);
  if (peakMib !== null) expect(peakMib).toBeGreaterThan(0.1);
});

test('frames of conversations as tshark prints them', () => {
  const head = '                 | Frames  Bytes | | Frames  Bytes | | Frames  Bytes |';
  const lines = [
    head,
    '10.0.1.141:1421   <-> 10.200.5.1:82     0 0 bytes        76 38 kB          76 38 kB         0.000380000         0.0953',
    '10.0.3.205:1997   <-> 10.200.0.1:83     3 180 bytes       4 1,000 bytes     7 420 bytes     0.002927000         0.0926',
  ];
  expect(conversationFrames(lines.join('\n'))).toBe(83);
});
