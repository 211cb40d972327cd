import type { PacketsWanted } from './backend.ts';
import { clientFilter } from './client-filter.ts';
import { ControlError } from './errors.ts';
import { PACKET_SNAP_LEN, PACKET_SNAP_LEN_MAX } from './limits.ts';
import type { PacketsRequest } from './messages.ts';
import { checkSelection } from './selectors.ts';

/** Reads and checks which packets a client wants. @throws ControlError CONTROL_BAD_REQUEST */
export function wantedPackets({ filter, snapLength, ...selection }: PacketsRequest): PacketsWanted {
  checkSelection(selection, true);
  if (snapLength > PACKET_SNAP_LEN_MAX)
    throw new ControlError(
      'CONTROL_BAD_REQUEST',
      `snap_length ${snapLength}: at most ${PACKET_SNAP_LEN_MAX} octets of a packet are given`,
    );
  return {
    selection,
    filter: clientFilter(filter, 'packet'),
    snapLen: snapLength === 0 ? PACKET_SNAP_LEN : snapLength,
  };
}
