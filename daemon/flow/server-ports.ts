import { IpProto } from '../../decoders/packet-fields.ts';

/**
 * Ports that servers listen on, by protocol: the union of the ports that Zeek's scripts register for their analyzers
 * (`likely_server_ports`, scripts/base/protocols and packet-protocols of Zeek 8). Of DHCP only 67 is one.
 */
const TCP_PORTS = [
  21, 22, 25, 53, 79, 80, 81, 88, 110, 135, 139, 143, 389, 443, 445, 502, 563, 585, 587, 614, 631, 636, 989,
  990, 992, 993, 995, 1080, 1434, 1883, 2811, 3128, 3268, 3306, 3389, 5222, 5223, 5269, 5432, 6379, 6666,
  6667, 6668, 6669, 8000, 8080, 8888, 20000,
];
const UDP_PORTS = [
  53, 67, 88, 123, 137, 161, 162, 389, 443, 514, 1812, 2123, 2152, 3389, 3544, 4789, 5060, 5353, 5355, 6081,
  20000,
];

/** Bit 0: TCP, bit 1: UDP. */
const SERVERS = new Uint8Array(65536);
for (const port of TCP_PORTS) SERVERS[port]! |= 1;
for (const port of UDP_PORTS) SERVERS[port]! |= 2;

/**
 * Whether the first packet seen of a flow was sent by its responder, guessed by the ports as Zeek does
 * (TCPAnalyzer::WantConnection, UDPAnalyzer::WantConnection): the source is a server's port and the destination is not.
 * For TCP, when both are, the lower port is the server's.
 * @param proto for protocols other than TCP and UDP always false
 */
export function looksLikeAnswer(proto: number, srcPort: number, dstPort: number): boolean {
  if (proto !== IpProto.TCP && proto !== IpProto.UDP) return false;
  const bit = proto === IpProto.TCP ? 1 : 2;
  if ((SERVERS[srcPort]! & bit) === 0) return false;
  return (SERVERS[dstPort]! & bit) === 0 || (proto === IpProto.TCP && srcPort < dstPort);
}
