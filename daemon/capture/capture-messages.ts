import type { FilterNode } from '../../storage/filter-ast.ts';
import type { CaptureCounters, CaptureInfo, ThreadLoad } from '../../storage/messages.ts';
import type { Selection } from '../control/messages.ts';
import type { RingGeometry } from '../kernel/packet-socket.ts';
import type { SlabShared } from '../flow/slab.ts';
import type { FlowTimeouts } from '../flow/timeouts.ts';
import type { RoutesMessage } from '../mirror/messages.ts';
import type { PacketTapShared } from './packet-tap-buffer.ts';

/**
 * How a capture is opened in the capture thread. Descriptors are numbers: they are valid in every thread of the process,
 * and belong to the capture thread from the moment the message is sent.
 */
export type CaptureOpen =
  | {
      kind: 'ring';
      /** A packet socket with a ring of this geometry. */
      fd: number;
      ring: RingGeometry;
      cooked: boolean;
      loopback: boolean;
    }
  | {
      kind: 'libpcap';
      /** The namespace (an nsfs descriptor) that the device is opened in; closed once it is. */
      netnsFd: number;
      snapLen: number;
      bufferBytes: number;
    };

/** To the capture thread: from the engine's main thread, and RoutesMessage from the thread that follows routes. */
export type CaptureRequest =
  | { type: 'add'; capture: CaptureInfo; open: CaptureOpen }
  /** Its interface or namespace is gone. The thread answers `ended`, at the latest 200 ms later. */
  | { type: 'remove'; captureIndex: number; reason: string }
  /** Its interface has another name: the source goes on as `capture`, and the thread answers `opened` for that. */
  | { type: 'rename'; captureIndex: number; capture: CaptureInfo }
  /** Somebody watches packets from now on, see PacketTaps. The thread answers `tapped` with the same number. */
  | { type: 'tap'; request: number; id: number; wish: TapWish }
  /** And no more: nothing is written to its buffer any longer. The thread answers `tapped`. */
  | { type: 'untap'; request: number; id: number }
  /** The thread answers `counted` with the same number. */
  | { type: 'count'; request: number }
  /** Another filter in force, with its text for people; the ring stays. `program`: struct sock_filter[], or null for none. */
  | { type: 'filter'; captureIndex: number; filter: string | null; program: Uint8Array | null }
  /** From now on this holds. */
  | { type: 'configure'; auditRate: number; timeouts: FlowTimeouts }
  /** Every flow is to be written as it is now; the storage thread answers `synced` with the same number. */
  | { type: 'checkpoint'; request: number }
  /** The thread answers `shared` with the same number. */
  | { type: 'share'; request: number }
  /** Somebody watches flows that no record tells of yet: their decisions go to storage as they are made, and not with a record. */
  | { type: 'tell-decisions'; isOn: boolean }
  | RoutesMessage
  /** Drain, write every flow with end_reason shutdown, and end. */
  | { type: 'stop' };

/** Which packets somebody watches, and where they are put. */
export interface TapWish {
  shared: PacketTapShared;
  /** Checked, see checkSelection. */
  selection: Selection;
  /** null: every packet of the selection. Has nothing that only a whole flow has. */
  filter: FilterNode | null;
}

/** From the capture thread to the engine's main thread. */
export type CaptureReply =
  | { type: 'opened'; captureIndex: number; linkType: number }
  /** Could not be opened. */
  | { type: 'failed'; captureIndex: number; reason: string }
  /** A packet socket that nobody reads any more, to be closed where it may take its time: see RingSource. */
  | { type: 'close'; fd: number }
  | ({ type: 'counted'; request: number } & ThreadCounts)
  /** The flow table, to be looked at: see openSlab. */
  | { type: 'shared'; request: number; slab: SlabShared }
  | { type: 'tapped'; request: number }
  /** Was open, and is closed now; with its last counters, when they are asked for. */
  | { type: 'ended'; captureIndex: number; reason: string; counters?: CaptureCounters }
  /** A capture goes on as another; its own last counters. */
  | { type: 'renamed'; captureIndex: number; counters: CaptureCounters }
  /** The kernel did not take the filter; the one before is in force. */
  | { type: 'filter-failed'; captureIndex: number; reason: string }
  /** Once a second, when asked for: what every capture counted since it began. */
  | { type: 'counters'; counters: CountedCapture[]; load: ThreadLoad }
  /** Once a second: the thread has not hung. */
  | { type: 'alive' }
  /** Everything is drained and handed to the storage thread. */
  | { type: 'stopped' };

/** What a capture has counted since it began. */
export interface CountedCapture {
  captureIndex: number;
  counters: CaptureCounters;
}

/** What a capture thread counts. */
export interface ThreadCounts {
  /** Flows in the table, and made since the start. */
  flows: number;
  createdFlows: number;
  /** Batches of records that storage has not given back, and how many there are. */
  queuedBatches: number;
  batches: number;
  captures: CountedCapture[];
}
