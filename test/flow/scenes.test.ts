import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { CONN_STATES } from '../../storage/flow-batch.ts';
import { compareAnalysis, ourAnalysis, tsharkAnalysis } from '../corpus/tcp-analysis.ts';
import { flowsOf } from '../support/file-flows.ts';
import { writeSegments } from '../support/segments.ts';
import { SCENE_STATES, SCENES } from './scenes.ts';

const FOLDER = fileURLToPath(new URL('../../fixtures/pcap/scenes/', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'nstap-scenes-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const noTshark = spawnSync('tshark', ['--version']).status !== 0 ? ' (needs tshark)' : '';

/** What tshark tells otherwise, and why: conn_state and history are Zeek's, and one flow is one stream only when it is to both. */
const OTHERWISE: Record<string, string> = {
  'h-again': 'a SYN+ACK with another sequence number is not the same segment again',
  'simultaneous-open':
    'tshark times the handshake from the latest SYN of either side, we from that of the originator',
};

describe('hand-built captures', () => {
  test('there is one of each conn_state', () => {
    expect(SCENE_STATES).toEqual(expect.arrayContaining(CONN_STATES.filter((name) => name !== null)));
  });

  test.each(Object.entries(SCENES))('%s', async (name, { packets, flows }) => {
    const path = join(scratch, `${name}.pcap`);
    writeSegments(path, packets);
    // The fixture is what the scene says; `npm run baseline` writes it anew.
    expect(readFileSync(join(FOLDER, `${name}.pcap`)).equals(readFileSync(path))).toBe(true);
    const read = await flowsOf(path);
    expect(read.flows.map(({ state, history }) => [state, history])).toEqual(flows);
  });

  test.skipIf(noTshark !== '').each(Object.keys(SCENES))(
    `%s is analysed as by tshark${noTshark}`,
    async (name) => {
      const path = join(FOLDER, `${name}.pcap`);
      const { flows } = await flowsOf(path);
      const differences = compareAnalysis(ourAnalysis(flows), await tsharkAnalysis(path)).filter(
        // Without a SYN+ACK before the ACK there is no handshake to time.
        ({ what, got }) => what !== 'initial_rtt' || got !== null,
      );
      if (OTHERWISE[name] === undefined) expect(differences).toEqual([]);
      else expect(differences.length).toBeGreaterThan(0);
    },
  );
});

describe('what else a scene tells', () => {
  const tcp = async (name: string) => (await flowsOf(join(FOLDER, `${name}.pcap`))).flows[0]!.tcp!;

  test('payload by sequence space counts each octet once, and what is missing', async () => {
    expect(await tcp('t-scaled')).toMatchObject({ seqBytes: [9, 0], repeated: [900, 0], missed: [0, 0] });
    expect(await tcp('gap')).toMatchObject({ seqBytes: [0, 400], missed: [0, 200], repeated: [0, 0] });
    expect(await tcp('out-of-order')).toMatchObject({ seqBytes: [300, 0], missed: [0, 0], repeated: [0, 0] });
    expect(await tcp('keep-alive')).toMatchObject({ seqBytes: [10, 0], repeated: [1, 0], missed: [0, 0] });
    expect(await tcp('zero-window-probe')).toMatchObject({ seqBytes: [200, 0], missed: [0, 0] });
  });

  test('MSS and window scale are those of the SYNs, and windows are scaled when both sides scale', async () => {
    expect(await tcp('scaled-windows')).toMatchObject({
      mss: [1460, 1400],
      scale: [7, 2],
      maxWindow: [501 * 128, 160_000],
    });
    expect(await tcp('half-scaled-windows')).toMatchObject({
      mss: [1460, 536],
      scale: [7, 15],
      maxWindow: [501, 0],
    });
  });

  test('the time to an ACK is known without a handshake', async () => {
    const { ackRtt } = await tcp('midstream');
    expect(ackRtt[1]).toBeGreaterThan(99_000);
    expect(ackRtt[1]).toBeLessThanOrEqual(100_000);
  });
});
