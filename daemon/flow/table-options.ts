import type { PacketFields } from '../../decoders/packet-fields.ts';
import type { FlowBatch } from '../../storage/flow-batch.ts';
import type { FlowTimeouts } from './timeouts.ts';

/** Capture points a table can tell apart: the index has 16 bits in the key. */
export const MAX_CAPTURES = 65536;

/** Where finished and checkpointed records go, and the changes of route decisions between them. */
export interface RecordSink {
  /**
   * The batch that has room for one more record, or null: the queue is full and the record is shed or kept for later.
   * @param isSpare the record is of a flow that had to make room, or can wait: it must leave room for those of others
   */
  batch(isSpare?: boolean): FlowBatch | null;
  /** The batch that has room for one more route change, or null: the change is shed. */
  changes(): FlowBatch | null;
}

/** Gives each packet its route decision. */
export interface PacketTagger {
  /** 1 to 65535; goes up whenever a decision given before may no longer hold. */
  readonly generation: number;
  /** A change waits for packets of its time: `arrive` has to see every packet before `generation` is read. */
  readonly isWaiting: boolean;
  /** Called when generations start over: those that were noted before mean nothing any more. For the flow table to set. */
  onStartOver: (() => void) | null;
  /** Puts in force what waits for a packet of this time. */
  arrive(f: PacketFields): void;
  /**
   * Whether what was decided at a generation, 0 for never, holds for this packet.
   * @returns the generation up to which it is known to hold; -1: it has to be decided anew
   */
  heldUntil(view: DataView, f: PacketFields, generation: number): number;
  /** Number of the decision for this packet. */
  tag(view: DataView, f: PacketFields): number;
  /** Number of the decision for every packet inside a tunnel: none was made where the outer packet was seen. */
  tagInner(): number;
}

export interface FlowTableOptions {
  /** Bound on flows held at once. */
  maxFlows: number;
  timeouts: FlowTimeouts;
  /** Seconds after which the record of a living flow is written again; 0: never (replay). */
  checkpointSec: number;
  /** Keys the hashes; random per start, so that nobody can choose colliding flows. */
  seed: number;
  /** Packets inside tunnels will come: see innerPacket. Left out: no. */
  tunnels?: boolean;
  /** Keep hints of the application. Left out: no. */
  hints?: boolean;
  /** Octets of payload kept of each direction. Left out: none. */
  payloadOctets?: number;
}
