import { FileSource } from '../../daemon/capture/file-source.ts';
import { formatAddress } from '../../decoders/address.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';
import type { CaptureCounters } from '../../storage/messages.ts';
import { TestMeter, type WholeRecord } from './meter.ts';

/** The flows of a capture. */
export interface FileFlows {
  flows: WholeRecord[];
  /** Of the file, and of these those of IP, all of which are in flows. */
  packets: number;
  ipPackets: number;
  /** The others: `arp`, `other` protocols above the link, and `undecoded`. */
  besides: { arp: number; other: number; undecoded: number };
  /** Packets of which the file has less than there was on the wire. */
  truncated: number;
  /** IP packets that are fragments. */
  fragments: number;
  /** Why reading ended early, or null. */
  error: string | null;
}

/**
 * Meters a capture in this process, each of its interfaces a capture point of its own. Flows in the order of their first packets.
 * @param isChecksumFinal its checksums went over the wire, as `nstap replay` cannot know
 */
export async function flowsOf(path: string, isChecksumFinal = false): Promise<FileFlows> {
  const m = new TestMeter({ maxFlows: 1 << 16 });
  m.meter.fields.isChecksumFinal = isChecksumFinal;
  let captures = 0;
  let error: string | null = null;
  const source = new FileSource(path, null, m.meter, () => {
    m.meter.counters.reserve(captures);
    return captures++;
  });
  try {
    await source.read(() => undefined);
  } catch (cause) {
    if (!(cause instanceof SavefileError)) throw cause;
    error = cause.message;
  }
  const flows = m.finishWhole().sort((a, b) => a.seq - b.seq);
  const points = Array.from({ length: captures }, (_, i) => m.meter.counters.read(i));
  const sum = (of: (point: CaptureCounters) => number): number =>
    points.reduce((n, point) => n + of(point), 0);
  return {
    flows,
    packets: sum((c) => c.packets),
    ipPackets: sum((c) => c.decodedIpv4 + c.decodedIpv6),
    besides: {
      arp: sum((c) => c.decodedArp),
      other: sum((c) => c.decodedOther),
      undecoded: sum((c) => c.undecoded),
    },
    truncated: sum((c) => c.truncated),
    fragments: sum((c) => c.fragments),
    error,
  };
}

/** An address of a record, of which those of IPv6 are 32 hexadecimal digits, as RFC 5952 has it. */
export function addressText(address: string): string {
  return address.length === 32 ? formatAddress(Buffer.from(address, 'hex'), 0, 6) : address;
}
