import { parseAddress } from '../decoders/address.ts';
import { CONN_STATES } from '../storage/flow-batch.ts';
import type { FlowSubject } from '../storage/flow-subject.ts';
import type { LiveFlow } from './control/messages.ts';

/**
 * Puts a flow as the daemon told it into `subject`, for a filter; what is not told of it stays unknown: see `inapplicable` with
 * "liveFlow".
 * @param subject is for live flows only: what they do not have is not put back
 */
export function setLiveFlow(subject: FlowSubject, flow: LiveFlow): void {
  subject.flowId = flow.flowId;
  const src = parseAddress(flow.src);
  const dst = parseAddress(flow.dst);
  if (src === null || dst === null || src.version !== dst.version) subject.addressWords = 0;
  else subject.setAddresses(src.bytes, 0, dst.bytes, 0, src.bytes.length);
  subject.ipVersion = flow.ipVersion;
  subject.proto = flow.protocol;
  subject.srcPort = flow.hasPorts ? flow.srcPort : -1;
  subject.dstPort = flow.hasPorts ? flow.dstPort : -1;
  subject.netns = flow.netns === '' ? null : flow.netns;
  subject.interface = flow.interface === '' ? null : flow.interface;
  subject.connState = flow.connState === '' ? 0 : CONN_STATES.indexOf(flow.connState as 'SF');
  subject.bytes = flow.bytesFwd + flow.bytesRev;
  subject.packets = flow.packetsFwd + flow.packetsRev;
  subject.setTimes(flow.startS, flow.startNs, flow.endS, flow.endNs);
}
