import { addressText, flowsOf } from '../support/file-flows.ts';
import type { WholeRecord } from '../support/meter.ts';
import type { ZeekFlow } from './zeek-model.ts';

/** What is compared of a flow. */
export const COMPARED = ['src', 'state', 'history', 'packets', 'bytes', 'payload', 'start', 'end'] as const;
type Compared = (typeof COMPARED)[number];

/** A field of one flow in which two readings differ. */
export interface FlowDifference {
  what: Compared | 'flow';
  /** "scope proto a b #n": the endpoints in order, and the how many-th flow of them. */
  key: string;
  got: string | null;
  want: string | null;
}

/** nstap's flows of a capture as the model has them. */
export async function ownFlows(path: string, isChecksumFinal: boolean): Promise<ZeekFlow[]> {
  const { flows } = await flowsOf(path, isChecksumFinal);
  return flows.map(asZeekFlow);
}

function asZeekFlow(f: WholeRecord): ZeekFlow {
  return {
    scope: [f.capture, ...f.vlan].join(' '),
    proto: f.proto,
    src: endpoint(f.src),
    dst: endpoint(f.dst),
    start: f.start,
    end: f.end,
    packets: f.packets,
    bytes: f.bytes,
    payload: f.payload,
    state: f.state ?? '',
    history: f.history,
  };
}

function endpoint(text: string): string {
  const at = text.lastIndexOf(':');
  return at < 0 ? addressText(text) : `${addressText(text.slice(0, at))} ${text.slice(at + 1)}`;
}

/** Every difference between two readings, in the order of the flows. */
export function compareFlows(got: readonly ZeekFlow[], want: readonly ZeekFlow[]): FlowDifference[] {
  const [ours, theirs] = [byKey(got), byKey(want)];
  const found: FlowDifference[] = [];
  for (const key of new Set([...theirs.keys(), ...ours.keys()])) {
    const [a, b] = [ours.get(key), theirs.get(key)];
    if (a === undefined || b === undefined) {
      const show = (f: ZeekFlow | undefined): string | null =>
        f === undefined ? null : `${f.src} ${f.state} ${f.history} ${f.packets.join('/')}`;
      found.push({ what: 'flow', key, got: show(a), want: show(b) });
      continue;
    }
    for (const what of COMPARED) {
      const [x, y] = [String(a[what]), String(b[what])];
      if (x !== y) found.push({ what, key, got: x, want: y });
    }
  }
  return found;
}

function byKey(flows: readonly ZeekFlow[]): Map<string, ZeekFlow> {
  const found = new Map<string, ZeekFlow>();
  const counts = new Map<string, number>();
  const places = new Map<string, number>();
  for (const flow of flows) {
    const ends = [flow.src, flow.dst].sort().join(' ');
    // Interfaces in the order in which they come up: each reading numbers them in its own way.
    const [place, ...vlans] = flow.scope.split(' ');
    if (!places.has(place!)) places.set(place!, places.size);
    const pair = [places.get(place!), ...vlans, flow.proto, ends].join(' ');
    const n = (counts.get(pair) ?? 0) + 1;
    counts.set(pair, n);
    found.set(`${pair} #${n}`, flow);
  }
  return found;
}
