import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { corpus } from '../support/truth.ts';
import { truthOf } from './make-truth.ts';

const SIZE_MAX = 30_000;
const FILES = 40;
const files = corpus()
  .filter(({ truth, path }) => truth.tshark_error === undefined && statSync(path).size < SIZE_MAX)
  .filter(({ truth }) => !(truth as { non_packet_records?: number }).non_packet_records)
  .filter(({ name }) => name.startsWith('tcpdump/') || name.startsWith('libpcap/'))
  .slice(0, FILES);
const missing =
  files.length === 0
    ? 'no shared captures'
    : spawnSync('tshark', ['--version']).status === 0
      ? null
      : 'needs tshark';

test.skipIf(missing !== null)(
  `the truth that is made of a capture is the one that came with it${missing ? ` (${missing})` : ''}`,
  { timeout: 60_000 },
  async () => {
    for (const { name, path, truth } of files) {
      const made = (await truthOf(path)) as unknown as Record<string, unknown>;
      const { conversations, outer, ...totals } = made;
      // Of the totals those that a truth file always has; what made it stop is worded by tshark.
      for (const field of [
        'packets',
        'bytes',
        'truncated_packets',
        'ts_invalid',
        'ts_out_of_order',
        'packets_without_ts',
        'first_ts',
        'last_ts',
        'arp_packets',
        'linktypes',
      ] as const)
        expect([name, field, totals[field]]).toEqual([name, field, truth[field]]);
      expect([name, truth.outer]).toMatchObject([name, outer as object]);
      if (!truth.conversations_truncated)
        expect([name, sorted(conversations as object[])]).toEqual([name, sorted(truth.conversations)]);
    }
    expect(files.length).toBeGreaterThan(20);
  },
);

function sorted(rows: readonly object[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}
