import { PacketType } from './packet-fields.ts';

/** Direction is in bits 0-1 of epb_flags, the reception type in bits 2-4. draft-ietf-opsawg-pcapng §4.3.1. @returns PacketType */
export function flagsToPacketType(flags: number): number {
  const direction = flags & 3;
  if (direction === 2) return PacketType.Outgoing;
  switch ((flags >>> 2) & 7) {
    case 1:
      return PacketType.Host;
    case 2:
      return PacketType.Multicast;
    case 3:
      return PacketType.Broadcast;
    case 4:
      return PacketType.OtherHost;
    default:
      return direction === 1 ? PacketType.Host : PacketType.Unknown;
  }
}

/** The way back. @param pktType PacketType @returns 0 when nothing is known */
export function packetTypeToFlags(pktType: number): number {
  switch (pktType) {
    case PacketType.Host:
      return 0b001_01;
    case PacketType.Multicast:
      return 0b010_01;
    case PacketType.Broadcast:
      return 0b011_01;
    case PacketType.OtherHost:
      return 0b100_01;
    case PacketType.Outgoing:
      return 0b10;
    default:
      return 0;
  }
}
