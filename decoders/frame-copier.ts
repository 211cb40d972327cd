import { ETHERNET_TYPE_OFF } from './ethernet.ts';
import type { PacketFields } from './packet-fields.ts';
import type { SavefileOutput } from './savefile-output.ts';
import { VLAN_TAG_LEN } from './vlan.ts';

/** What a packet source says of a packet: of the first group of PacketFields, all that a savefile keeps. */
export type SourceFields = Pick<
  PacketFields,
  'tsSec' | 'tsNsec' | 'wireLen' | 'pktType' | 'strippedTci' | 'strippedTpid'
>;

/** Up to so many octets a loop is faster than a call into the runtime. */
const LOOP_MAX = 256;

/**
 * Copies frames into a savefile's buffer without allocating; a VLAN tag that the kernel took out of an Ethernet frame is put
 * back behind the addresses, as libpcap does.
 */
export class FrameCopier {
  /** The source's memory as Node's Buffer, whose `copy` needs no new object; made once for each ring or window. */
  #source = Buffer.alloc(0);
  #tagLen = 0;

  /** Octets that the frame will take. @param isEthernet whether a missing tag can be put back */
  start(isEthernet: boolean, capLen: number, f: SourceFields): number {
    this.#tagLen = isEthernet && f.strippedTci >= 0 && capLen >= ETHERNET_TYPE_OFF ? VLAN_TAG_LEN : 0;
    return capLen + this.#tagLen;
  }

  /** Copies the frame that `start` was told of to `at` of the output's buffer. */
  put(
    output: SavefileOutput,
    at: number,
    view: DataView,
    off: number,
    capLen: number,
    f: SourceFields,
  ): void {
    let done = 0;
    let to = at;
    if (this.#tagLen > 0) {
      this.#copy(output, at, view, off, ETHERNET_TYPE_OFF);
      done = ETHERNET_TYPE_OFF;
      output.view.setUint16(at + done, f.strippedTpid);
      output.view.setUint16(at + done + 2, f.strippedTci);
      to += done + this.#tagLen;
    }
    this.#copy(output, to, view, off + done, capLen - done);
  }

  #copy(output: SavefileOutput, to: number, view: DataView, from: number, length: number): void {
    if (length > LOOP_MAX) {
      if (this.#source.buffer !== view.buffer) this.#source = Buffer.from(view.buffer as ArrayBuffer);
      const start = view.byteOffset + from;
      this.#source.copy(output.bytes, to, start, start + length);
      return;
    }
    const target = output.view;
    let i = 0;
    for (; i + 4 <= length; i += 4) target.setInt32(to + i, view.getInt32(from + i));
    for (; i < length; i++) target.setUint8(to + i, view.getUint8(from + i));
  }
}
