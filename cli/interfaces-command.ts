import type { LiveCapture } from '../daemon/control/messages.ts';
import { glyphs } from './format/glyphs.ts';
import { formatInterfaces } from './format/interface-list.ts';
import { askNetns, type KernelCounters, type ListedInterface, listNamespaces } from './netns-list.ts';
import { stdoutColors, terminalWidth } from './output.ts';
import { pageLines } from './pager.ts';
import { askRunningDaemon } from './running-daemon.ts';

/** Flags of `nstap interfaces` as they were given. */
export interface InterfacesFlags {
  netns?: string;
  control?: string;
  json?: boolean;
}

/** What the daemon has counted of an interface; each null where it does not capture it. */
export type CaptureCounters = Record<(typeof CAPTURE_KEYS)[number], number | null>;
const CAPTURE_KEYS = [
  'packets',
  'kernel_drops',
  'received',
  'bytes',
  'duplicates',
  'decoded',
  'undecoded',
  'flows',
] as const;

/** An interface as `nstap interfaces` shows it. */
export interface InterfaceRow
  extends CaptureCounters,
    Pick<ListedInterface, Exclude<keyof ListedInterface, 'name' | 'counters'>>,
    Record<keyof KernelCounters, number | null> {
  netns: string;
  /** "dev:inode" of the namespace. */
  netns_id: string;
  interface: string;
}

/**
 * Runs `nstap interfaces`: what the daemon knows, and what the kernel shows this user beside it.
 * @returns exit status: 1 when neither knows of any
 * @throws ControlError when the daemon that `--control` names cannot be asked
 */
export async function interfacesCommand(flags: InterfacesFlags): Promise<number> {
  const told = await askRunningDaemon(flags.control, async (client) => ({
    ...(await askNetns(client)),
    captures: (await client.status()).captures,
  }));
  const rows: InterfaceRow[] = [];
  for (const { name: netns, id, interfaces } of listNamespaces(told).list)
    if (flags.netns === undefined || netns === flags.netns)
      for (const entry of interfaces) rows.push(interfaceRow(netns, id ?? '', entry, told?.captures ?? []));
  if (rows.length === 0) {
    const where =
      flags.netns === undefined ? 'no namespace can be read' : `no namespace ${flags.netns} that can be read`;
    process.stderr.write(`nstap: ${where}; entering other namespaces needs root, or a daemon to ask\n`);
    return 1;
  }
  await pageLines([
    flags.json
      ? `${JSON.stringify(rows)}\n`
      : formatInterfaces(rows, terminalWidth(), stdoutColors(), glyphs()),
  ]);
  return 0;
}

function interfaceRow(
  netns: string,
  netnsId: string,
  { name, counters, ...entry }: ListedInterface,
  captures: readonly LiveCapture[],
): InterfaceRow {
  const { if_index, up, captured, reason, ...more } = entry;
  const capture = captures.find(
    (each) => captured === true && each.netnsId === netnsId && each.interface === name,
  );
  return {
    netns,
    netns_id: netnsId,
    interface: name,
    if_index,
    up,
    captured,
    reason,
    ...captureCounters(capture),
    ...more,
    rx_packets: counters?.rx_packets ?? null,
    rx_bytes: counters?.rx_bytes ?? null,
    rx_dropped: counters?.rx_dropped ?? null,
    tx_packets: counters?.tx_packets ?? null,
    tx_bytes: counters?.tx_bytes ?? null,
    tx_dropped: counters?.tx_dropped ?? null,
  };
}

function captureCounters(c: LiveCapture | undefined): CaptureCounters {
  return {
    packets: c?.packets ?? null,
    kernel_drops: c?.kernelDrops ?? null,
    received: c?.received ?? null,
    bytes: c?.bytes ?? null,
    duplicates: c?.duplicates ?? null,
    decoded: c?.decoded ?? null,
    undecoded: c?.undecoded ?? null,
    flows: c?.aliveFlows ?? null,
  };
}
