import type { PacketTagger } from '../../daemon/flow/table-options.ts';

/** Decides nothing: what a flow table needs where routes do not matter. */
export function noRoutes(): PacketTagger {
  return {
    generation: 1,
    onStartOver: null,
    arrive: () => {},
    isWaiting: false,
    heldUntil: () => 1,
    tag: () => 0,
    tagInner: () => 1,
  };
}
