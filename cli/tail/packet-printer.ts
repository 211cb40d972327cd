import type { stdoutColors } from '../output.ts';
import { parseTimeZone } from '../time-zone.ts';
import { PacketObjects } from './packet-json.ts';
import type { ShownPacket } from './shown-packet.ts';
import { TailLines } from './tail-lines.ts';
import { hexStyle, type TailFlags } from './tail-options.ts';

/** Packets as text for stdout. */
export interface PacketPrinter {
  packet(packet: ShownPacket): string;
  /** What comes behind the last one. */
  end(): string;
}

/** How the flags want packets printed. @throws UsageError */
export function packetPrinter(flags: TailFlags, colors: ReturnType<typeof stdoutColors>): PacketPrinter {
  const hex = hexStyle(flags);
  if (flags.json || flags.format === 'ndjson') {
    const objects = new PacketObjects(hex !== null);
    const text = (packet: ShownPacket): string => JSON.stringify(objects.of(packet));
    return flags.json ? jsonArray(text) : { packet: (packet) => `${text(packet)}\n`, end: () => '' };
  }
  const lines = new TailLines(
    {
      timeStyle: flags.t,
      zone: parseTimeZone(flags.tz),
      isNano: flags.nano === true,
      hasLink: flags.link === true,
      isQuiet: flags.quiet === true,
      isVerbose: flags.verbose === true,
      hasRoute: flags.route,
      hex,
    },
    colors,
  );
  return { packet: (packet) => lines.format(packet), end: () => '' };
}

/** One JSON value, which grows. */
function jsonArray(text: (packet: ShownPacket) => string): PacketPrinter {
  let before = '[\n';
  return {
    packet(packet) {
      const piece = before + text(packet);
      before = ',\n';
      return piece;
    },
    end: () => (before === '[\n' ? '[]\n' : '\n]\n'),
  };
}
