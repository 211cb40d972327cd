import type { Column } from './columns.ts';
import { formatCount } from './count.ts';
import type { GroupJson } from './group-json.ts';

/** Columns of `flows --by`: the fields asked for, then the totals. */
export function groupColumns(by: readonly string[]): Column<GroupJson>[] {
  const count = (name: string): Column<GroupJson> => ({
    title: name.toUpperCase(),
    align: 'right',
    dropOrder: 0,
    text: (row) => formatCount(Number(row[name])),
  });
  const time = (name: string, dropOrder: number): Column<GroupJson> => ({
    title: name.toUpperCase(),
    align: 'left',
    dropOrder,
    text: (row) => String(row[name]).replace('T', ' ').slice(0, -7),
  });
  return [
    ...by.map(
      (name): Column<GroupJson> => ({
        title: name.toUpperCase(),
        align: 'left',
        dropOrder: 0,
        text: (row) => String(row[name] ?? '-'),
      }),
    ),
    count('flows'),
    count('packets'),
    count('bytes'),
    time('start', 2),
    time('end', 1),
  ];
}
