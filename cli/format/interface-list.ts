import type { InterfaceRow } from '../interfaces-command.ts';
import { type Column, formatColumns } from './columns.ts';
import { formatCount } from './count.ts';
import type { Glyphs } from './glyphs.ts';
import { infoWords, relationWords, stateOf } from './interface-words.ts';

/** Interfaces for people. @param width columns of the terminal, or null for no limit */
export function formatInterfaces(
  rows: readonly InterfaceRow[],
  width: number | null,
  colors: { bold: (text: string) => string; red: (text: string) => string },
  glyphs: Glyphs,
): string {
  return formatColumns(columns(glyphs), rows, width, colors.bold, undefined, colors.red);
}

/** Those that go first where there is no room are told by `nstap netns` as well. */
function columns(glyphs: Glyphs): readonly Column<InterfaceRow>[] {
  const left = (title: string, dropOrder: number, text: (row: InterfaceRow) => string) =>
    ({
      title,
      align: 'left',
      dropOrder,
      blank: '-',
      text: (row) => text(row) || '-',
    }) as const satisfies Column<InterfaceRow>;
  const number = (
    title: string,
    dropOrder: number,
    value: (row: InterfaceRow) => number | null,
    isLoss = false,
  ) =>
    ({
      title,
      align: 'right',
      dropOrder,
      blank: '-',
      text: (row) => count(value(row)),
      isMarked: (row) => isLoss && (value(row) ?? 0) > 0,
    }) as const satisfies Column<InterfaceRow>;
  return [
    left('NETNS', 0, (row) => row.netns),
    left('INTERFACE', 0, (row) => row.interface),
    number('INDEX', 9, (row) => row.if_index),
    left('KIND', 5, (row) => row.kind ?? ''),
    left('STATE', 3, stateOf),
    left('ADDRESSES', 7, (row) => row.addresses.join(' ')),
    left('PEER, LOWER, MASTER', 6, (row) =>
      [
        ...infoWords(row),
        ...relationWords(row, row.netns, glyphs),
        ...(row.master === null ? [] : [`port of ${row.master}`]),
      ].join(' '),
    ),
    number('RX', 8, (row) => row.rx_packets),
    number('TX', 8, (row) => row.tx_packets),
    number('RECEIVED', 4, (row) => row.received),
    number('PACKETS', 2, (row) => row.packets),
    number('UNDECODED', 4, (row) => row.undecoded, true),
    number('DROPS', 2, (row) => row.kernel_drops, true),
    number('FLOWS', 6, (row) => row.flows),
    left('CAPTURED', 0, captured),
  ];
}

function count(value: number | null): string {
  return value === null ? '-' : formatCount(value);
}

function captured(row: InterfaceRow): string {
  if (row.captured === null) return 'no daemon was asked';
  return row.captured ? 'yes' : `no: ${row.reason}`;
}
