import { basename } from 'node:path';
import type { PacketFields } from '../../decoders/packet-fields.ts';
import { PcapngWriter } from '../../decoders/pcapng-writer.ts';
import type { SavefileInterface } from '../../decoders/savefile-sink.ts';
import { Status } from '../../decoders/status.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { PacketSink } from './packet-source.ts';
import type { CaptureSession } from './session.ts';
import type { WantedFlows } from './wanted-flows.ts';

/** What is to be carved. Plain data. */
export interface CarveOrder {
  /** The pcapng file to write, made anew; "-" is stdout. */
  file: string;
  /** See WantedFlows. */
  wanted: SharedArrayBuffer;
  /** Put the route decision of each packet into its comment. */
  hasRoutes: boolean;
  /** Of the file: the program, and what it is. */
  application: string;
  comment: string;
}

/** Where the packets of the files went: together all that were read. */
export interface CarveCounts {
  carved: number;
  /** On flows that are not wanted. */
  others: number;
  /** Decoded, and of no flow: ARP and the like. */
  flowless: number;
  undecoded: number;
  /** Wanted, but of a time for which pcapng has no number. */
  refused: number;
}

/**
 * Writes the packets of wanted flows to a pcapng file as they are metered. Interfaces are those of the sources, each with its
 * link type and name; times are kept to the nanosecond.
 */
export class Carver implements PacketSink {
  readonly fields: PacketFields;
  readonly counts: CarveCounts = { carved: 0, others: 0, flowless: 0, undecoded: 0, refused: 0 };
  readonly #session: CaptureSession;
  readonly #flows: WantedFlows;
  readonly #hasRoutes: boolean;
  readonly #writer: PcapngWriter;
  /** Numbers in the file written, by capture index. */
  readonly #interfaces: number[] = [];

  /**
   * @param flows what the session's meter puts packets on, see WantedFlows.over
   * @throws SavefileError (SAVEFILE_WRITE)
   */
  constructor(order: CarveOrder, session: CaptureSession, flows: WantedFlows) {
    this.fields = session.meter.fields;
    this.#session = session;
    this.#flows = flows;
    this.#hasRoutes = order.hasRoutes;
    const { application, comment } = order;
    this.#writer = new PcapngWriter(order.file, { application, comment });
  }

  /** Takes an interface of a source. @param file of several, which is told where the interface has no description */
  addInterface(captureIndex: number, info: SavefileInterface, file: string | null): void {
    const description = info.description ?? (file === null ? null : basename(file));
    this.#interfaces[captureIndex] = this.#writer.addInterface({
      linkType: info.linkType,
      ...(info.name !== null && { name: info.name }),
      ...(description !== null && { description }),
      ...(info.snapLen > 0 && { snapLen: info.snapLen }),
    });
  }

  packet(view: DataView, off: number, capLen: number): void {
    const { fields: f, counts } = this;
    this.#flows.next();
    this.#session.meter.packet(view, off, capLen);
    if (!this.#flows.isWanted) {
      if (this.#flows.hasFlow) counts.others++;
      else if (f.status === Status.Ok) counts.flowless++;
      else counts.undecoded++;
      return;
    }
    const extras = this.#hasRoutes ? { comment: routeComment(this.#session.decide(view, f)) } : undefined;
    if (this.#writer.packet(this.#interfaces[f.captureIndex]!, view, off, capLen, f, extras)) counts.carved++;
    else counts.refused++;
  }

  /** Writes what is left. Idempotent. @throws SavefileError (SAVEFILE_WRITE) */
  close(): void {
    this.#writer.close();
  }
}

/** A decision in one line: "route forward: 10.2.0.0/24 via 10.1.0.254 dev veth0". */
function routeComment({ verdict, type, text, reason }: RouteDecision): string {
  return `route ${verdict ?? 'not decided'}: ${text ?? type}${reason === null ? '' : ` (${reason})`}`;
}
