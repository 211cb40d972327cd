import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { isSupportedLinkType } from '../../decoders/link-types.ts';
import { nstap } from '../support/nstap.ts';
import { addDirection, type ConversationTable, corpus, truthTable } from '../support/truth.ts';

const FLAGS = 'CEUAPRSF';
/** Protocols that tshark keeps by address pair only, though our flows have type and code there. */
const ICMP = new Set([1, 58]);

/**
 * Captures that are read to their end and whose conversations tshark lists whole: no later fragments and no cut
 * transport headers, which tshark leaves out of its conversations and nstap counts; of link types that nstap decodes.
 */
const whole = corpus().filter(
  ({ truth: t }) =>
    !t.tshark_error &&
    !t.read_error &&
    !t.conversations_truncated &&
    t.conversations.length > 0 &&
    t.outer.nonfirst_fragments === 0 &&
    t.outer.no_ports === 0 &&
    t.outer.bad_ip_header === 0 &&
    t.ts_invalid === 0 &&
    t.linktypes?.every(isSupportedLinkType) !== false,
);
/** Every third of them, spread over the corpus: the command line starts three processes a file. */
const sample = whole.filter((_, i) => i % 3 === 0);

const scratch = mkdtempSync(join(tmpdir(), 'nstap-truth-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function run(words: string[]): string {
  const { status, stdout, stderr } = nstap(words);
  expect(stderr, words.join(' ')).not.toMatch(/^nstap: (?!warning)/m);
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Times are stored as 64 bits of nanoseconds; what lies behind their end is that end. */
function representable(time: string | null): string | null {
  const end = '9223372036.854775807';
  return time !== null && Number(time) > Number(end) ? end : time;
}

const absent = whole.length === 0 ? ' (needs ../shared/pcaps)' : '';

describe.skipIf(absent !== '')(`replay of the shared captures, by the command line${absent}`, () => {
  test('there are at least 20 files to compare', () => {
    expect(sample.length).toBeGreaterThanOrEqual(20);
  });

  test.each(sample)('$name', ({ name, path, truth }) => {
    const db = join(scratch, `${name.replaceAll('/', '_')}.db`);
    const totals = JSON.parse(run(['replay', '--json', '--db', db, path]));
    const seconds = (time: string | null): string | null =>
      time && `${Date.parse(`${time.slice(0, 19)}Z`) / 1000}.${time.slice(20, 29)}`;
    expect({
      packets: totals.packets,
      bytes: totals.bytes,
      truncated: totals.truncated,
      fragments: totals.fragments,
      ipv4: totals.decoded.ipv4,
      ipv6: totals.decoded.ipv6,
      tcp: totals.decoded.tcp,
      udp: totals.decoded.udp,
      icmp: totals.decoded.icmp,
      sctp: totals.decoded.sctp,
      first: seconds(totals.first),
      last: seconds(totals.last),
      errors: totals.errors,
    }).toEqual({
      packets: truth.packets,
      bytes: truth.bytes,
      truncated: truth.truncated_packets,
      fragments: truth.outer.fragments,
      ipv4: truth.outer.ipv4,
      ipv6: truth.outer.ipv6,
      tcp: truth.outer.tcp,
      udp: truth.outer.udp,
      icmp: truth.outer.icmp + truth.outer.icmpv6,
      sctp: truth.outer.sctp,
      first: representable(truth.first_ts),
      last: representable(truth.last_ts),
      errors: [],
    });
    const d = totals.decoded;
    expect(d.ipv4 + d.ipv6 + d.arp + d.other + totals.undecoded, 'packets = decoded + undecoded').toBe(
      totals.packets,
    );

    const table: ConversationTable = new Map();
    for (const line of run(['flows', '--db', db, '--format', 'ndjson']).trim().split('\n')) {
      const flow = JSON.parse(line);
      const withPorts = flow.src_port !== null && !ICMP.has(flow.proto_number);
      const src = withPorts ? `${flow.src} ${flow.src_port}` : flow.src;
      const dst = withPorts ? `${flow.dst} ${flow.dst_port}` : flow.dst;
      const flags = (letters: string | null): number =>
        [...(letters ?? '')].reduce((sum, letter) => sum | (0x80 >> FLAGS.indexOf(letter)), 0);
      const proto = flow.proto_number;
      addDirection(
        table,
        proto,
        src,
        dst,
        flow.packets_fwd,
        flow.bytes_fwd,
        flow.ip_bytes_fwd,
        flags(flow.tcp_flags_fwd),
      );
      addDirection(
        table,
        proto,
        dst,
        src,
        flow.packets_rev,
        flow.bytes_rev,
        flow.ip_bytes_rev,
        flags(flow.tcp_flags_rev),
      );
    }
    const sorted = (t: ConversationTable): [string, number[]][] =>
      [...t].sort(([a], [b]) => (a < b ? -1 : 1));
    expect(sorted(table)).toEqual(sorted(truthTable(truth)));
  });
});
