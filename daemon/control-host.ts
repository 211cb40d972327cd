import { ControlError } from './control/errors.ts';
import type { LiveInterface, Selection } from './control/messages.ts';
import type { ControlReport, EngineCommand } from './engine-messages.ts';
import { IFF_UP } from './kernel/netlink-constants.ts';
import type { Interface } from './kernel/interfaces.ts';
import type { FoundNetns } from './netns/discovery.ts';

/** Octets of rows in one command, below SCM_PAYLOAD_MAX; one row with a path of PATH_MAX, all escaped, has 27,000. */
const COMMAND_BYTES = 30_000;
/** Characters of a reason that are passed on. */
const REASON_MAX = 300;

/** What the supervisor does for control clients. Each throws ControlError, or any Error, when it cannot. */
export interface ControlHost {
  interfaces(): LiveInterface[];
  /** @returns interfaces of the selection that are captured then, or being opened */
  change(isAdd: boolean, selection: Selection): number;
  reload(): void;
}

/** Does what a control client wants, and answers the engine that passed it on. */
export function answerControl(
  report: ControlReport,
  host: ControlHost,
  send: (command: EngineCommand) => void,
): void {
  const { request } = report;
  try {
    if (report.type === 'list-interfaces') {
      const pieces = inPieces(host.interfaces());
      for (const [i, rows] of pieces.entries())
        send({ type: 'interfaces', request, rows, isLast: i === pieces.length - 1 });
      return;
    }
    let captured = 0;
    if (report.type === 'reload') host.reload();
    else captured = host.change(report.isAdd, report.selection);
    send({ type: 'answer', request, error: null, captured });
  } catch (error) {
    const code = error instanceof ControlError ? error.code : 'CONTROL_FAILED';
    const message = (error as Error).message.slice(0, REASON_MAX);
    send({ type: 'answer', request, error: { code, message }, captured: 0 });
  }
}

/** At least one piece, each small enough for a command. */
function inPieces(rows: readonly LiveInterface[]): LiveInterface[][] {
  const pieces: LiveInterface[][] = [[]];
  let bytes = 0;
  for (const row of rows) {
    const size = Buffer.byteLength(JSON.stringify(row)) + 1;
    if (bytes + size > COMMAND_BYTES && bytes > 0) {
      pieces.push([]);
      bytes = 0;
    }
    pieces.at(-1)!.push(row);
    bytes += size;
  }
  return pieces;
}

/** A namespace whose interfaces are followed. */
interface Followed {
  readonly netns: FoundNetns;
  readonly links: ReadonlyMap<number, Interface>;
}

/**
 * Every interface of the namespaces that are followed, and a row without an interface for each other namespace.
 * @param others    namespaces that exist as well
 * @param reasonNot why an interface is not captured, or null
 */
export function interfaceRows(
  followed: Iterable<Followed>,
  others: readonly FoundNetns[],
  reasonNot: (netns: FoundNetns, link: Interface) => string | null,
): LiveInterface[] {
  const rows: LiveInterface[] = [];
  const ids = new Set<string>();
  for (const { netns, links } of followed) {
    ids.add(netns.id);
    for (const link of links.values()) {
      const reason = reasonNot(netns, link);
      rows.push({
        netns: netns.name,
        netnsId: netns.id,
        interface: link.name,
        ifIndex: link.ifIndex,
        up: (link.flags & IFF_UP) !== 0,
        captured: reason === null,
        reason: (reason ?? '').slice(0, REASON_MAX),
      });
    }
  }
  for (const { name, id } of others) {
    if (ids.has(id)) continue;
    const reason = 'namespace not selected';
    rows.push({ netns: name, netnsId: id, interface: '', ifIndex: 0, up: false, captured: false, reason });
  }
  return rows;
}
