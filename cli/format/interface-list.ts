import type { InterfaceRow } from '../interfaces-command.ts';
import { type Column, formatColumns } from './columns.ts';
import { formatCount } from './count.ts';

const COLUMNS: readonly Column<InterfaceRow>[] = [
  { title: 'NETNS', align: 'left', dropOrder: 0, text: (row) => row.netns },
  { title: 'INTERFACE', align: 'left', dropOrder: 0, text: (row) => row.interface },
  { title: 'STATE', align: 'left', dropOrder: 3, text: (row) => (row.up ? 'up' : 'down') },
  { title: 'PACKETS', align: 'right', dropOrder: 2, blank: '-', text: (row) => count(row.packets) },
  { title: 'DROPS', align: 'right', dropOrder: 2, blank: '-', text: (row) => count(row.kernel_drops) },
  { title: 'CAPTURED', align: 'left', dropOrder: 0, text: captured },
];

/** Interfaces for people. @param width columns of the terminal, or null for no limit @param head how to print the titles */
export function formatInterfaces(
  rows: readonly InterfaceRow[],
  width: number | null,
  head: (line: string) => string,
): string {
  return formatColumns(COLUMNS, rows, width, head);
}

function count(value: number | null): string {
  return value === null ? '-' : formatCount(value);
}

function captured(row: InterfaceRow): string {
  if (row.captured === null) return 'no daemon was asked';
  return row.captured ? 'yes' : `no: ${row.reason}`;
}
