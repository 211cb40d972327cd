import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { compileFilter, compileSocketFilter, PcapError, PcapHandle } from '../../daemon/kernel/libpcap.ts';
import { linkLayerOf, SOCK_FILTER_LEN } from '../../daemon/kernel/packet-socket.ts';
import { labMissing } from './lab.ts';

/** A program as `tcpdump -ddd` prints it: the number of instructions, then code, jt, jf and k of each. */
function decimal(program: Uint8Array): string {
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  const lines = [String(program.length / SOCK_FILTER_LEN)];
  for (let off = 0; off < program.length; off += SOCK_FILTER_LEN)
    lines.push(
      `${view.getUint16(off, true)} ${view.getUint8(off + 2)} ${view.getUint8(off + 3)} ${view.getUint32(off + 4, true)}`,
    );
  return lines.join('\n');
}

function tcpdump(...args: string[]): string {
  const run = spawnSync('tcpdump', ['-ddd', ...args], { encoding: 'utf8' });
  expect(run.status, run.stderr).toBe(0);
  return run.stdout.trim();
}

/** Why filters cannot be compiled and compared here, or null. */
function filtersMissing(): string | null {
  if (spawnSync('tcpdump', ['--version']).error !== undefined) return 'needs tcpdump';
  try {
    compileFilter('', 1, 100);
    return null;
  } catch (error) {
    if (error instanceof PcapError && error.code === 'PCAP_MISSING') return 'needs libpcap';
    throw error;
  }
}

const noFilters = filtersMissing();

describe.skipIf(noFilters !== null)(`filters${noFilters === null ? '' : ` (${noFilters})`}`, () => {
  const expressions = [
    '',
    'tcp port 80',
    'ip6 and not udp',
    'host 10.1.2.3 and portrange 1-99',
    'vlan 7',
    'arp',
  ];

  it.each(expressions)('compiles "%s" as tcpdump does for a savefile', (expr) => {
    expect(decimal(compileFilter(expr, 1, 262144))).toBe(tcpdump('-y', 'EN10MB', '-s', '262144', expr));
  });

  it('puts the snap length into the accepting return', () => {
    const program = compileFilter('ip', 1, 100);
    expect(decimal(program).split('\n')).toContain('6 0 0 100');
  });

  it('knows raw IP by its LINKTYPE_ value', () => {
    expect(decimal(compileFilter('tcp', 101, 262144))).toBe(tcpdump('-y', 'RAW', '-s', '262144', 'tcp'));
  });

  it('fails with the expression and the reason, and can go on', () => {
    expect(() => compileFilter('tcp prot 80', 1, 100)).toThrow(
      expect.objectContaining({
        code: 'PCAP_FILTER',
        message: expect.stringMatching(/^filter "tcp prot 80": .*syntax error/),
      }),
    );
    expect(() => compileFilter('host no.such.host.invalid', 1, 100)).toThrow(PcapError);
    expect(compileFilter('tcp', 1, 100).length).toBeGreaterThan(SOCK_FILTER_LEN);
  });

  it('moves the offsets of a filter for a cooked socket, and refuses what that has not', () => {
    const cooked = linkLayerOf(778);
    expect(cooked).toEqual({ linkType: 113, cooked: true });
    // ld protocol from the metadata; IPv4 octet 9 instead of 16 + 9.
    expect(decimal(compileSocketFilter('ip proto 17', cooked, 100)).split('\n')).toEqual([
      '6',
      `40 0 0 ${0xfffff000}`,
      '21 0 3 2048',
      '48 0 0 9',
      '21 0 1 17',
      '6 0 0 100',
      '6 0 0 0',
    ]);
    expect(() => compileSocketFilter('link[4] = 1', cooked, 100)).toThrow(
      /reads the link-level header \(octet 4\)/,
    );
  });
});

const missing = labMissing();
describe.skipIf(missing !== null)(`filters for live interfaces${missing ? ` (${missing})` : ''}`, () => {
  it.each(['vlan 7', 'vlan and tcp port 80', 'tcp port 80', 'inbound'])(
    'compiles "%s" as tcpdump -i lo does',
    (expr) => {
      const program = compileSocketFilter(expr, linkLayerOf(1), 262144);
      expect(decimal(program)).toBe(tcpdump('-i', 'lo', '-s', '262144', expr));
    },
  );

  it('names the device that cannot be opened', () => {
    const open = (): PcapHandle =>
      new PcapHandle({ device: 'nsd-none', snapLen: 100, bufferBytes: 65536, timeoutMs: 10, filter: null });
    expect(open).toThrow(/^pcap_activate nsd-none: No such device exists/);
  });
});

it('says which package is missing when there is no libpcap', () => {
  const module = new URL('../../daemon/kernel/', import.meta.url).href;
  // A loader that knows no libpcap: koffi is asked for another name.
  const script = `
    import koffi from 'koffi';
    const load = koffi.load;
    koffi.load = (name, ...rest) => { if (/pcap/.test(name ?? '')) throw new Error('no such file'); return load(name, ...rest); };
    const { compileFilter } = await import('${module}libpcap.ts');
    try { compileFilter('tcp', 1, 100); } catch (error) { console.log(error.code, error.message); }`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    cwd: new URL('../..', import.meta.url),
  });
  expect(run.stdout).toMatch(/^PCAP_MISSING libpcap is not installed; .*apt-get install libpcap0.8/);
});
