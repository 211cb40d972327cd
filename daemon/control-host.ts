import { ControlError } from './control/errors.ts';
import type { LiveInterface, Selection } from './control/messages.ts';
import type { ControlReport, EngineCommand } from './engine-messages.ts';
import { IFF_UP } from './kernel/constants.ts';
import type { Interface } from './kernel/interfaces.ts';
import type { FoundNetns } from './netns/discovery.ts';

/** Rows in one command: of names at their longest they fit into SCM_PAYLOAD_MAX. */
const COMMAND_ROWS = 32;
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
      const rows = host.interfaces();
      for (let at = 0; at === 0 || at < rows.length; at += COMMAND_ROWS) {
        const isLast = at + COMMAND_ROWS >= rows.length;
        send({ type: 'interfaces', request, rows: rows.slice(at, at + COMMAND_ROWS), isLast });
      }
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
