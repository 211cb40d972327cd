import { groupField } from '../../storage/query-by.ts';
import type { Column } from './columns.ts';
import { formatCount, formatRate } from './count.ts';
import type { GroupBy, GroupJson } from './group-json.ts';
import { cutMiddle } from './text-width.ts';
import { shortTime } from './time.ts';

const KEY_MIN = 12;

/**
 * Columns of `flows --by`: the fields asked for, then the totals.
 * @param measure what the share is of: flows, packets or bytes
 * @param others  groups that the row of the others stands for
 */
export function groupColumns(by: readonly GroupBy[], measure: string, others: number): Column<GroupJson>[] {
  const sum = (name: string, dropOrder = 0): Column<GroupJson> => ({
    title: name.toUpperCase(),
    align: 'right',
    dropOrder,
    text: (row) => formatCount(Number(row[name])),
    style: (row) => (row.row === 'group' ? null : 'faint'),
  });
  const time = (name: string, dropOrder: number): Column<GroupJson> => ({
    title: name.toUpperCase(),
    align: 'left',
    dropOrder,
    text: (row) => spaced(row[name]!, MILLIS_END),
    narrow: (row) => spaced(row[name]!, SECONDS_END),
  });
  return [
    ...by.map(({ label, name }, i): Column<GroupJson> => {
      const isTime = groupField(name)?.kind === 'time';
      return {
        title: label.toUpperCase(),
        align: 'left',
        dropOrder: 0,
        min: KEY_MIN,
        cut: cutMiddle,
        text: (row) => {
          if (row.row !== 'group') return i > 0 ? '' : row.row === 'others' ? `others (${others})` : 'total';
          return isTime && row[label] !== null ? spaced(row[label]!, SECONDS_END) : String(row[label] ?? '-');
        },
        style: (row) => (row.row === 'group' ? null : 'faint'),
      };
    }),
    sum('flows'),
    sum('packets', 3),
    sum('bytes'),
    {
      title: 'SHARE',
      align: 'right',
      dropOrder: 1,
      text: (row) => percentText(row[`${measure}_share`] as number | null),
    },
    {
      title: 'RATE',
      align: 'right',
      dropOrder: 2,
      text: (row) => (row.bits_per_s === null ? '-' : formatRate(Number(row.bits_per_s))),
    },
    time('start', 5),
    time('end', 4),
  ];
}

/** Where the milliseconds of a time of JSON end, and of one for people the milliseconds and the seconds. */
const JSON_MILLIS_END = 23;
const MILLIS_END = 23;
const SECONDS_END = 19;

/** A time of JSON for people, in their zone. @param end of the part that is shown */
function spaced(time: string | number, end: number): string {
  const ms = Date.parse(`${String(time).slice(0, JSON_MILLIS_END)}Z`);
  return shortTime(BigInt(ms) * 1_000_000n).slice(0, end);
}

function percentText(share: number | null): string {
  return share === null ? '-' : `${share.toFixed(1)}%`;
}
