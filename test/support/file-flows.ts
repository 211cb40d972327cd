import { FileSource } from '../../daemon/capture/file-source.ts';
import { formatAddress } from '../../decoders/address.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';
import { TestMeter, type WholeRecord } from './meter.ts';

/** The flows of a capture. */
export interface FileFlows {
  flows: WholeRecord[];
  /** Of the file and of its IP packets: what was handed to flows, and what was not. */
  packets: number;
  ipPackets: number;
  /** Why reading ended early, or null. */
  error: string | null;
}

/** Meters a capture in this process, each of its interfaces a capture point of its own. Flows in the order of their first packets. */
export async function flowsOf(path: string): Promise<FileFlows> {
  const m = new TestMeter({ maxFlows: 1 << 16 });
  let captures = 0;
  let error: string | null = null;
  const source = new FileSource(path, null, m.meter, () => captures++);
  try {
    await source.read(() => undefined);
  } catch (cause) {
    if (!(cause instanceof SavefileError)) throw cause;
    error = cause.message;
  }
  const flows = m.finishWhole().sort((a, b) => a.seq - b.seq);
  let packets = 0;
  let ipPackets = 0;
  for (let i = 0; i < captures; i++) {
    const counters = m.meter.counters.read(i);
    packets += counters.packets;
    ipPackets += counters.decodedIpv4 + counters.decodedIpv6;
  }
  return { flows, packets, ipPackets, error };
}

/** An address of a record, of which those of IPv6 are 32 hexadecimal digits, as RFC 5952 has it. */
export function addressText(address: string): string {
  return address.length === 32 ? formatAddress(Buffer.from(address, 'hex'), 0, 6) : address;
}
