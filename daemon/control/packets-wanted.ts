import { decodeFilter, FilterJsonError } from '../../storage/filter-json.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';
import { inapplicable } from '../../storage/filter-scope.ts';
import type { PacketsWanted } from './backend.ts';
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
    filter: filter === '' ? null : packetFilter(filter),
    snapLen: snapLength === 0 ? PACKET_SNAP_LEN : snapLength,
  };
}

function packetFilter(text: string): FilterNode {
  let filter: FilterNode;
  try {
    filter = decodeFilter(text);
  } catch (error) {
    if (!(error instanceof FilterJsonError)) throw error;
    throw new ControlError('CONTROL_BAD_REQUEST', error.message, { cause: error });
  }
  const [wrong] = inapplicable(filter, 'packet');
  if (wrong !== undefined) throw new ControlError('CONTROL_BAD_REQUEST', `filter: ${wrong.message}`);
  return filter;
}
