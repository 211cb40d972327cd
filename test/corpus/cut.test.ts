import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { tally } from '../decoders/corpus.ts';
import { corpus, type TruthFile } from '../support/truth.ts';
import { truthOf } from './make-truth.ts';

/** Octets that are left of each packet: within the addresses, IP headers, ports, TCP headers, options. */
const SNAPLENS = [20, 36, 46, 56, 70];
const SIZE_MAX = 60_000;
const FILES = 60;

const scratch = mkdtempSync(join(tmpdir(), 'nstap-cut-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const files = corpus()
  .filter(({ truth, path }) => !truth.tshark_error && !truth.read_error && statSync(path).size < SIZE_MAX)
  .filter((_, i) => i % 2 === 0)
  .slice(0, FILES);
const tools = ['tshark', 'editcap'].find((name) => spawnSync(name, ['--version']).status !== 0);
const missing = files.length === 0 ? 'no shared captures' : tools === undefined ? null : `needs ${tools}`;

test.skipIf(missing !== null)(
  `captures cut at any length count as tshark counts them${missing ? ` (${missing})` : ''}`,
  { timeout: 120_000 },
  async () => {
    let compared = 0;
    let packets = 0;
    for (const [n, { name, path }] of files.entries()) {
      const snapLen = SNAPLENS[n % SNAPLENS.length]!;
      const cut = join(scratch, 'cut.pcap');
      if (spawnSync('editcap', ['-F', 'pcap', '-s', String(snapLen), path, cut]).status !== 0) continue;
      const truth = (await truthOf(cut)) as TruthFile;
      const { outer } = truth;
      const t = await tally(cut);
      const ours = [
        t.packets,
        t.bytes,
        t.truncated_packets,
        t.ipv4 + t.ipv6,
        t.tcp,
        t.udp,
        t.sctp,
        t.icmp + t.icmpv6,
        t.fragments,
      ];
      const ip = outer.ipv4 + outer.ipv6 - outer.bad_ip_header;
      const theirs = [
        truth.packets,
        truth.bytes,
        truth.truncated_packets,
        ip,
        outer.tcp,
        outer.udp,
        outer.sctp,
        outer.icmp + outer.icmpv6,
        outer.fragments,
      ];
      expect([name, snapLen, ours]).toEqual([name, snapLen, theirs]);
      compared++;
      packets += t.packets;
    }
    expect(compared).toBeGreaterThan(40);
    expect(packets).toBeGreaterThan(800);
  },
);
