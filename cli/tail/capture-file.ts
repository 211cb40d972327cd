import { release, type } from 'node:os';
import type { LiveCapture } from '../../daemon/control/messages.ts';
import { version } from '../../daemon/version.ts';
import { PcapngWriter } from '../../decoders/pcapng-writer.ts';
import { counted } from '../format/count.ts';
import { routeDetails, routeTag } from './route-tag.ts';
import type { ShownPacket } from './shown-packet.ts';

interface WrittenInterface {
  index: number;
  place: string;
  written: number;
}

/** What is told of an interface at the end: by the kernel, since the tail began. */
export type InterfaceCounts = Pick<LiveCapture, 'netns' | 'interface' | 'received' | 'kernelDrops'>;

/**
 * A pcapng file of what is tailed: an interface each for a namespace and its device, the route decision of each packet in its
 * comment, and at the end the counters of the interfaces. What was put in is in the file after every `flush`.
 */
export class CaptureFile {
  readonly #writer: PcapngWriter;
  readonly #interfaces = new Map<string, WrittenInterface>();
  readonly #snapLen: number;
  readonly #hasRoute: boolean;
  #missing = 0;

  /**
   * @param file    path, made anew; "-" is stdout
   * @param command what is written, for people
   * @throws SavefileError (SAVEFILE_WRITE), also from the other methods
   */
  constructor(file: string, snapLen: number, hasRoute: boolean, command: string) {
    this.#snapLen = snapLen;
    this.#hasRoute = hasRoute;
    this.#writer = new PcapngWriter(file, {
      os: `${type()} ${release()}`,
      application: `nstap ${version()}`,
      comment: command,
    });
    this.flush();
  }

  /** Notes that packets were left out before the next one. */
  skipped(count: number): void {
    this.#missing += count;
  }

  packet(packet: ShownPacket): void {
    const of = this.#interface(packet);
    const comment = this.#comment(packet);
    const { view, octets, fields } = packet;
    const isWritten = this.#writer.packet(
      of.index,
      view,
      0,
      octets.length,
      fields,
      comment === '' ? undefined : { comment },
    );
    if (isWritten) of.written++;
  }

  flush(): void {
    this.#writer.flush();
  }

  /**
   * Writes the counters and closes the file.
   * @param counts  of the interfaces that were watched
   * @param comment put to each of them: what was left out
   */
  end(counts: readonly InterfaceCounts[], comment: string): void {
    const nowMs = Date.now();
    const now = [Math.floor(nowMs / 1000), (nowMs % 1000) * 1_000_000] as const;
    for (const { index, place, written } of this.#interfaces.values()) {
      const own = counts.filter((each) => placeOf(each) === place);
      const received = sum(own.map((each) => each.received));
      const drops = sum(own.map((each) => each.kernelDrops));
      this.#writer.statistics(index, now, {
        comment,
        delivered: written,
        // Under the names that dumpcap gives them: what the kernel counted, and what of that it had no room for. Not as
        // isb_osdrop too: readers add them up.
        ...(own.length === 0 ? {} : { received, droppedByInterface: drops }),
      });
    }
    this.#writer.close();
  }

  /** Closes the file as it is; idempotent. */
  close(): void {
    this.#writer.close();
  }

  #interface(packet: ShownPacket): WrittenInterface {
    const { place, fields } = packet;
    const key = `${place}\0${fields.linkType}`;
    let known = this.#interfaces.get(key);
    if (known === undefined) {
      const index = this.#writer.addInterface({
        linkType: fields.linkType,
        name: place,
        snapLen: this.#snapLen,
      });
      known = { index, place, written: 0 };
      this.#interfaces.set(key, known);
    }
    return known;
  }

  #comment({ decision }: ShownPacket): string {
    const lines: string[] = [];
    if (decision !== null && this.#hasRoute)
      lines.push([routeTag(decision), `[${routeDetails(decision)}]`].filter(Boolean).join(' '));
    if (this.#missing > 0) lines.push(`${counted(this.#missing, 'packet')} before this one skipped`);
    this.#missing = 0;
    return lines.join('; ');
  }
}

function placeOf({ netns, interface: name }: InterfaceCounts): string {
  return netns === '' ? name : `${netns}/${name}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
