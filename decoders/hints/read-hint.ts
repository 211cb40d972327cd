import { IpProto, type PacketFields } from '../packet-fields.ts';
import { readDns } from './dns.ts';
import type { Hint } from './hint.ts';
import { readHttpRequest, readHttpResponse } from './http.ts';
import { readSsh } from './ssh.ts';
import { readTls, TLS_HANDSHAKE } from './tls.ts';

/** DNS has no mark of its own, so it is known by port: DNS, mDNS (RFC 6762), LLMNR (RFC 4795). What TCP carries else is known by what it says. */
const DNS = 53;
const MDNS = 5353;
const LLMNR = 5355;
/** UPnP Device Architecture 2.0 §1.1.2: requests as of HTTP in datagrams. */
const SSDP = 1900;

/**
 * Reads what the application says of itself in one of the first payloads of a flow. Allocates nothing, reads at most some
 * kilobytes, throws nothing.
 * @param off first octet of the payload
 * @param end first octet past what was captured of it; off <= end <= view.byteLength
 * @returns true when `hint` holds something; `isPartial` also without, see there
 */
export function readHint(view: DataView, off: number, end: number, f: PacketFields, hint: Hint): boolean {
  hint.clear();
  if (end - off < 3) return false;
  if (f.ipProto === IpProto.UDP) {
    if (f.dstPort === SSDP) return readHttpRequest(view, off, end, hint);
    return isDnsPort(f) && readDns(view, off, end, hint);
  }
  if (f.ipProto !== IpProto.TCP) return false;
  if (isDnsPort(f)) return readDns(view, off + 2, end, hint); // a length before it, RFC 1035 §4.2.2
  const first = view.getUint8(off);
  if (first === TLS_HANDSHAKE) return readTls(view, off, end, hint);
  if (first < 0x41 || first > 0x5a) return false; // what is left begins with a capital
  return (
    readSsh(view, off, end, hint) ||
    readHttpResponse(view, off, end, hint) ||
    readHttpRequest(view, off, end, hint)
  );
}

function isDnsPort({ srcPort, dstPort }: PacketFields): boolean {
  return (
    dstPort === DNS ||
    srcPort === DNS ||
    dstPort === MDNS ||
    srcPort === MDNS ||
    dstPort === LLMNR ||
    srcPort === LLMNR
  );
}
