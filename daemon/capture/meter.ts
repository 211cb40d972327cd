import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import type { FlowsAhead } from '../flow/ahead.ts';
import { PacketCounters } from './counters.ts';
import type { PacketSink } from './packet-source.ts';
import type { PacketPlaces } from './wanted-flows.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok } = Status;

/**
 * Where every packet goes, whatever its source: decoded in place, counted, and put on its flow. This is the hot path;
 * it allocates nothing.
 */
export class Meter implements PacketSink {
  readonly fields = new PacketFields();
  readonly counters = new PacketCounters();
  readonly ahead: FlowsAhead | null;
  readonly #flows: PacketPlaces;

  constructor(flows: PacketPlaces) {
    this.#flows = flows;
    this.ahead = flows.ahead ?? null;
  }

  packet(view: DataView, off: number, capLen: number): void {
    const f = this.fields;
    const guess = this.ahead === null ? -1 : this.ahead.next();
    const status = decodePacket(view, off, off + capLen, f);
    this.counters.count(f, capLen);
    if (status === Ok && f.ipVersion !== 0) this.#flows.packet(view, f, guess);
  }
}
