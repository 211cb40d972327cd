import type { LiveCapture, LiveInterface } from '../daemon/control/messages.ts';
import { formatInterfaces } from './format/interface-list.ts';
import { listNamespaces } from './netns-command.ts';
import { stdoutColors, terminalWidth, writeLines } from './output.ts';
import { askRunningDaemon } from './running-daemon.ts';

/** Flags of `nstap interfaces` as they were given. */
export interface InterfacesFlags {
  netns?: string;
  control?: string;
  json?: boolean;
}

/** An interface as `nstap interfaces` shows it. */
export interface InterfaceRow {
  netns: string;
  /** "dev:inode" of the namespace. */
  netns_id: string;
  interface: string;
  if_index: number;
  up: boolean;
  /** null: no daemon was asked. */
  captured: boolean | null;
  /** Why a daemon does not capture it, else null. */
  reason: string | null;
  /** Of its capture, else null. */
  packets: number | null;
  kernel_drops: number | null;
}

/** What a daemon says of interfaces. */
interface Told {
  interfaces: LiveInterface[];
  captures: LiveCapture[];
}

/**
 * Runs `nstap interfaces`: what the daemon knows, and what the kernel shows this user beside it.
 * @returns exit status: 1 when neither knows of any
 * @throws ControlError when the daemon that `--control` names cannot be asked
 */
export async function interfacesCommand(flags: InterfacesFlags): Promise<number> {
  const told = await askRunningDaemon(flags.control, async (client) => ({
    interfaces: await client.interfaces(),
    captures: (await client.status()).captures,
  }));
  const rows = interfaceRows(told).filter(({ netns }) => flags.netns === undefined || netns === flags.netns);
  if (rows.length === 0) {
    const where =
      flags.netns === undefined ? 'no namespace can be read' : `no namespace ${flags.netns} that can be read`;
    process.stderr.write(`nstap: ${where}; entering other namespaces needs root, or a daemon to ask\n`);
    return 1;
  }
  await writeLines([
    flags.json ? `${JSON.stringify(rows)}\n` : formatInterfaces(rows, terminalWidth(), stdoutColors().bold),
  ]);
  return 0;
}

function interfaceRows(told: Told | null): InterfaceRow[] {
  const rows = new Map<string, InterfaceRow>();
  const put = (row: InterfaceRow): unknown => rows.set(`${row.netns_id}/${row.if_index}`, row);
  const isTold = told !== null;
  for (const { name: netns, id, interfaces } of listNamespaces())
    for (const { name, if_index, up } of interfaces)
      put({
        netns,
        netns_id: id ?? '',
        interface: name,
        if_index,
        up,
        captured: isTold ? false : null,
        reason: isTold ? 'namespace not selected' : null,
        packets: null,
        kernel_drops: null,
      });
  for (const row of told?.interfaces ?? []) {
    if (row.interface === '') continue;
    const capture = told?.captures.find(
      (each) => row.captured && each.netnsId === row.netnsId && each.interface === row.interface,
    );
    put({
      netns: row.netns,
      netns_id: row.netnsId,
      interface: row.interface,
      if_index: row.ifIndex,
      up: row.up,
      captured: row.captured,
      reason: row.captured ? null : row.reason,
      packets: capture?.packets ?? null,
      kernel_drops: capture?.kernelDrops ?? null,
    });
  }
  return [...rows.values()];
}
