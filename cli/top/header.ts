import { hostname } from 'node:os';
import { printable } from '../format/columns.ts';
import { textWidth } from '../format/text-width.ts';
import { inColumns, type Look } from './look.ts';
import { lossesOf } from './losses.ts';
import { type TopState, VIEWS } from './model.ts';
import { bitRate, byteCount, shortAge, shortNumber } from './quantities.ts';

/** A part of a line, and how it is painted. */
interface Part {
  text: string;
  paint?: (text: string) => string;
}

/** Between two parts of a line. */
const GAP = '  ';

/** The lines above the table, each in at most `width` columns; they stand there whatever is shown below. */
export function headerLines(state: TopState, width: number, look: Look, nowMs: number): string[] {
  return [
    partsLine(whoParts(state, look, nowMs), width, look),
    partsLine(loadParts(state, look), width, look),
    partsLine(lossParts(state, look), width, look),
    partsLine(viewParts(state, look), width, look),
  ];
}

function whoParts(state: TopState, { colors }: Look, nowMs: number): Part[] {
  const status = state.history.latest;
  const time = new Date(nowMs).toISOString().slice(11, 19);
  return [
    { text: 'nstap top', paint: colors.bold },
    ...(state.gone === null ? [] : [{ text: 'the daemon has gone; trying again', paint: colors.red }]),
    ...(state.isPaused ? [{ text: 'PAUSED', paint: colors.yellow }] : []),
    { text: printable(hostname()) },
    ...(status === null ? [{ text: 'asking the daemon' }] : [{ text: `up ${shortAge(status.uptimeS)}` }]),
    { text: `every ${state.intervalS} s` },
    { text: `${time} UTC` },
    ...(status === null ? [] : [{ text: `daemon ${printable(status.nstap)}` }]),
    ...(status !== null && status.engineRestarts > 0
      ? [{ text: `engine restarts ${status.engineRestarts}`, paint: colors.yellow }]
      : []),
  ];
}

function loadParts({ history }: TopState, { colors }: Look): Part[] {
  const status = history.latest;
  if (status === null) return [{ text: '' }];
  const rates = history.previous === null ? null : history.rates(null, false);
  const share = status.maxFlows > 0 ? status.flows / status.maxFlows : 0;
  const cpu = history.engineCpu;
  return [
    { text: `packets ${rates === null ? '-' : shortNumber(rates.packetsPerS)}/s` },
    { text: rates === null ? '- bit/s' : bitRate(rates.bytesPerS) },
    {
      text: `flows ${status.flows.toLocaleString('en-US')} (${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %)`,
      ...(share > 0.9 && { paint: colors.yellow }),
    },
    { text: `engine CPU ${cpu === null ? '-' : `${(cpu * 100).toFixed(0)} %`}` },
    { text: byteCount(status.engineRssBytes) },
  ];
}

function lossParts({ history }: TopState, { colors }: Look): Part[] {
  const status = history.latest;
  if (status === null) return [{ text: '' }];
  const { queuedBatches, maxQueuedBatches, storageTrouble } = status;
  const isBehind = queuedBatches * 2 >= maxQueuedBatches;
  const losses = lossesOf(status, history.previous);
  const isRising = storageTrouble !== '' || isBehind || losses.some(({ rise }) => rise > 0);
  return [
    { text: 'LOSSES', paint: isRising ? colors.red : colors.bold },
    ...(storageTrouble === '' ? [] : [{ text: `database: ${printable(storageTrouble)}`, paint: colors.red }]),
    ...(isBehind ? [{ text: `queue ${queuedBatches}/${maxQueuedBatches}`, paint: colors.red }] : []),
    ...losses.map(({ name, total, rise, place }): Part => {
      if (rise === 0)
        return { text: `${name} ${shortNumber(total)}`, paint: total > 0 ? colors.yellow : colors.dim };
      const where = place === '' ? '' : ` ${printable(place)}`;
      return { text: `${name} ${shortNumber(total)} (+${shortNumber(rise)}${where})`, paint: colors.red };
    }),
    ...(isBehind ? [] : [{ text: `queue ${queuedBatches}/${maxQueuedBatches}`, paint: colors.dim }]),
  ];
}

function viewParts(state: TopState, { colors }: Look): Part[] {
  const { view, filter, ranking } = state;
  const matched = ranking === null ? '' : ` (${ranking.matched.toLocaleString('en-US')} flows)`;
  return [
    ...VIEWS.map((name, i) => ({
      text: `${i + 1} ${name}`,
      paint: name === view ? colors.inverse : colors.dim,
    })),
    ...(filter.json === ''
      ? []
      : [{ text: `filter: ${printable(filter.text)}${matched}`, paint: colors.cyan }]),
  ];
}

/** As many of the parts as fit; the first one that does not is cut. */
function partsLine(parts: readonly Part[], width: number, { isUnicode }: Look): string {
  let line = '';
  let used = 0;
  for (const { text, paint } of parts) {
    const gap = used === 0 ? '' : GAP;
    const room = width - used - gap.length;
    if (room < 1) break;
    const own = textWidth(text);
    const shown = own <= room ? text : inColumns(text, room, 'left', isUnicode);
    line += gap + (paint === undefined ? shown : paint(shown));
    used += gap.length + Math.min(own, room);
  }
  return line;
}
