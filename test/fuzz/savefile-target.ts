import { PcapParser } from '../../decoders/pcap-reader.ts';
import { PcapngParser } from '../../decoders/pcapng-reader.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';
import type { SavefileParser, SavefileSink } from '../../decoders/savefile-sink.ts';
import { interfaceBlock, packetBlock, pcapFile, sectionBlock } from '../decoders/savefile-build.ts';
import { frame } from '../support/frames.ts';
import { Broken, fold, type Target } from './target.ts';

type MakeParser = (sink: SavefileSink) => SavefileParser;

/** A parser of savefiles over a whole file in one window: errors with a reason, or packets that lie in the file. */
function savefileTarget(name: string, make: MakeParser, seeds: () => Uint8Array[]): Target {
  return {
    name,
    seeds,
    run(input) {
      // Ends where the input does: reading on throws a RangeError, which is no SavefileError.
      const view = new DataView(Uint8Array.from(input).buffer);
      let signature = 0;
      let packets = 0;
      let interfaces = 0;
      const sink: SavefileSink = {
        onInterface(info) {
          if (info.index !== interfaces++)
            throw new Broken(`interface ${info.index} comes as number ${interfaces}`);
        },
        onPacket(index, seen, off, capLen, wireLen, _sec, nsec) {
          packets++;
          if (index >= interfaces) throw new Broken(`a packet of interface ${index} of ${interfaces}`);
          if (seen !== view || off < 0 || capLen < 0 || off + capLen > input.length)
            throw new Broken(`a packet of ${capLen} octets at ${off} in a file of ${input.length}`);
          if (wireLen < capLen) throw new Broken(`${wireLen} octets on the wire, ${capLen} captured`);
          if (!(nsec >= 0 && nsec < 1e9)) throw new Broken(`${nsec} ns in a second`);
        },
      };
      const parser = make(sink);
      let used = 0;
      try {
        used = parser.parse(view, 0, input.length, 0);
      } catch (error) {
        if (!(error instanceof SavefileError)) throw error;
        if (error.reason === '') throw new Broken('an error without a reason');
        signature = fold(1, error.reason.length);
      }
      if (used < 0 || used > input.length) throw new Broken(`used ${used} of ${input.length} octets`);
      if (packets > input.length) throw new Broken(`${packets} packets in ${input.length} octets`);
      return fold(
        fold(signature, Math.min(packets, 4)),
        fold(Math.min(interfaces, 4), parser.isMidRecord ? 1 : 0),
      );
    },
  };
}

const packet = () => ({ sec: 1, fraction: 2, data: Uint8Array.from(frame({})) });

export function pcapTarget(): Target {
  return savefileTarget(
    'pcap',
    (sink) => new PcapParser('fuzz', sink),
    () =>
      [{}, { magic: 0xa1b23c4d }, { magic: 0xa1b2cd34 }].map((header) =>
        Uint8Array.from(pcapFile([packet(), packet()], header)),
      ),
  );
}

export function pcapngTarget(): Target {
  return savefileTarget(
    'pcapng',
    (sink) => new PcapngParser('fuzz', sink),
    () =>
      [true, false].map((little) =>
        Uint8Array.from(
          Buffer.concat([
            sectionBlock(little),
            interfaceBlock(little, 1, 0),
            packetBlock(little, 0, 1, 2, Uint8Array.from(frame({}))),
            packetBlock(little, 0, 1, 3, Uint8Array.from(frame({}))),
          ]),
        ),
      ),
  );
}
