import { ARP_HEADER_MIN } from '../../decoders/arp.ts';
import { ETH_P_IP } from '../../decoders/ethertype.ts';
import type { Octets } from './octets.ts';

const PROTOCOL_OFF = 2;
const HARDWARE_LEN_OFF = 4;
const PROTOCOL_LEN_OFF = 5;
const OPERATION_OFF = 6;
const IPV4_LEN = 4;

/** IANA ARP operation codes. */
const OPERATIONS: Readonly<Record<number, string>> = {
  1: 'Request',
  2: 'Reply',
  3: 'Reverse Request',
  4: 'Reverse Reply',
  8: 'Inverse Request',
  9: 'Inverse Reply',
};

/** IANA ARP hardware types that tcpdump names. */
const HARDWARE: Readonly<Record<number, string>> = {
  1: 'Ethernet',
  6: 'TokenRing',
  7: 'ArcNet',
  15: 'FrameRelay',
  17: 'Strip',
  24: 'IEEE 1394',
  19: 'ATM',
  32: 'Infiniband',
};

/** An ARP packet at `off`. RFC 826, RFC 903, RFC 2390. @param length its octets on the wire @throws Cut */
export function arpLine(o: Octets, off: number, length: number): string {
  o.need(off, ARP_HEADER_MIN);
  const hardwareLen = o.u8(off + HARDWARE_LEN_OFF);
  const protocolLen = o.u8(off + PROTOCOL_LEN_OFF);
  o.need(off, ARP_HEADER_MIN + 2 * (hardwareLen + protocolLen));
  const protocol = o.u16(off + PROTOCOL_OFF);
  const end = `, length ${length}`;
  if (protocol !== ETH_P_IP || protocolLen !== IPV4_LEN || hardwareLen === 0) {
    const type = o.u16(off);
    const hardware = HARDWARE[type] ?? `Unknown Hardware (${type})`;
    const name =
      protocol === ETH_P_IP ? 'IPv4' : `Unknown Protocol (0x${protocol.toString(16).padStart(4, '0')})`;
    return `ARP, ${hardware} (len ${hardwareLen}), ${name} (len ${protocolLen})${end}`;
  }
  const senderMac = off + ARP_HEADER_MIN;
  const sender = senderMac + hardwareLen;
  const targetMac = sender + protocolLen;
  const target = targetMac + hardwareLen;
  const mac = (at: number): string => o.hex(at, hardwareLen, ':');
  const ip = (at: number): string => o.address(at, 4);
  const operation = o.u16(off + OPERATION_OFF);
  const word = `ARP, ${OPERATIONS[operation] ?? `Unknown (${operation})`} `;
  switch (operation) {
    case 1: {
      const known = /[^0:]/.test(mac(targetMac)) ? ` (${mac(targetMac)})` : '';
      return `${word}who-has ${ip(target)}${known} tell ${ip(sender)}${end}`;
    }
    case 2:
      return `${word}${ip(sender)} is-at ${mac(senderMac)}${end}`;
    case 3:
    case 8:
      return `${word}who-is ${mac(targetMac)} tell ${mac(senderMac)}${end}`;
    case 4:
      return `${word}${mac(targetMac)} at ${ip(target)}${end}`;
    case 9:
      return `${word}${mac(senderMac)} at ${ip(sender)}${end}`;
    default:
      return word.trimEnd();
  }
}
