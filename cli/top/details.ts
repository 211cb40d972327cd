import { protocolName } from '../../storage/protocols.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { flagLetters } from '../format/tcp-flags.ts';
import { routeText } from '../format/flow-text.ts';
import { placeText } from './losses.ts';
import { byteCount, byteRate, shortAge, shortNumber } from './quantities.ts';
import type { TopRow } from './rows.ts';
import { endpoints } from './view-columns.ts';

/** A line of the details: what it is of, and what is told; a title alone begins a part. */
export interface DetailLine {
  name: string;
  text: string;
  isTitle?: boolean;
}

/** All that is known of a row. @param nowS seconds since the epoch */
export function detailLines(row: TopRow, nowS: number, isUnicode: boolean): DetailLine[] {
  switch (row.kind) {
    case 'flow':
      return flowLines(row, nowS, isUnicode);
    case 'talker':
      return [
        title(`talker ${row.group.address}`),
        line('seen at', placeText(row.group.netns, row.group.interface)),
        ...sumLines(row, 'sent', 'received'),
      ];
    case 'place':
      return [
        title(
          row.interface === ''
            ? `namespace ${row.netns}`
            : `interface ${placeText(row.netns, row.interface)}`,
        ),
        ...sumLines(row),
        title('losses'),
        line('kernel drops', row.kernelDrops.toLocaleString('en-US')),
        line('undecodable', row.undecoded.toLocaleString('en-US')),
        line('evicted flows', row.evicted.toLocaleString('en-US')),
      ];
    case 'route':
      return [
        title(`route ${routeText(row.route)}`),
        line('namespace', row.group.netns),
        ...sumLines(row),
        ...decisionLines('decision', row.route),
      ];
  }
}

function flowLines(row: Extract<TopRow, { kind: 'flow' }>, nowS: number, isUnicode: boolean): DetailLine[] {
  const { ranked, values } = row;
  const { flow } = ranked;
  const both = (fwd: string | number, rev: string | number): string =>
    `${isUnicode ? '→' : '->'} ${fwd}  ${isUnicode ? '←' : '<-'} ${rev}`;
  const numbers = (fwd: number, rev: number): string =>
    both(fwd.toLocaleString('en-US'), rev.toLocaleString('en-US'));
  const isTcp = flow.protocol === 6;
  const range = (least: number | undefined, most: number | undefined): string =>
    least === undefined || most === undefined ? '-' : least === most ? String(least) : `${least}-${most}`;
  return [
    title(`${protocolName(flow.protocol)} ${endpoints(row, { isUnicode })}`),
    line('seen at', placeText(flow.netns, flow.interface)),
    ...(ranked.vlan.length > 0 ? [line('vlan', ranked.vlan.join(', '))] : []),
    ...(ranked.tunnelType === '' ? [] : [line('tunnel', `${ranked.tunnelType} ${ranked.tunnelId ?? ''}`)]),
    line('began', `${isoTime(flow.startS, flow.startNs)}, ${shortAge(nowS - values.start)} ago`),
    line('last packet', `${shortAge(nowS - flow.endS - flow.endNs / 1e9)} ago`),
    line('state', flow.connState || '-'),
    ...(ranked.history === '' ? [] : [line('history', ranked.history)]),
    title('traffic'),
    line(
      'rate',
      `${byteRate(values.rate)}  (${both(byteRate(ranked.bytesFwdPerS), byteRate(ranked.bytesRevPerS))})`,
    ),
    line('last 10 s', byteRate(values.window)),
    line('packets/s', shortNumber(values.pps)),
    line('bytes', `${byteCount(values.bytes)}  (${numbers(flow.bytesFwd, flow.bytesRev)})`),
    line('packets', numbers(flow.packetsFwd, flow.packetsRev)),
    line('ip bytes', numbers(ranked.ipBytesFwd, ranked.ipBytesRev)),
    line('payload', numbers(ranked.payloadBytesFwd, ranked.payloadBytesRev)),
    line('ttl', both(range(ranked.ttlMinFwd, ranked.ttlMaxFwd), range(ranked.ttlMinRev, ranked.ttlMaxRev))),
    line('dscp', both(ranked.dscpFwd ?? '-', ranked.dscpRev ?? '-')),
    ...(isTcp
      ? [
          line('flags', both(flagText(ranked.tcpFlagsFwd), flagText(ranked.tcpFlagsRev))),
          line('round trip', ranked.rttNs === undefined ? '-' : `${(ranked.rttNs / 1e6).toFixed(3)} ms`),
          line('retransmits', numbers(ranked.retransmitsFwd, ranked.retransmitsRev)),
          line('out of order', numbers(ranked.outOfOrderFwd, ranked.outOfOrderRev)),
          line('zero windows', numbers(ranked.zeroWindowsFwd, ranked.zeroWindowsRev)),
        ]
      : []),
    ...(ranked.srcMac === '' ? [] : [line('mac', both(ranked.srcMac, ranked.dstMac))]),
    line('community id', ranked.communityId),
    ...decisionLines(`route of what ${flow.src} sends`, row.routeFwd),
    ...decisionLines(`route of what ${flow.dst} sends`, row.routeRev),
    ...(ranked.routeChanged
      ? [line('', 'a decision changed while the flow lived: see `nstap flows --route-changed`')]
      : []),
  ];
}

function sumLines({ values }: TopRow, ...sides: readonly ('sent' | 'received')[]): DetailLine[] {
  return [
    line('flows', values.flows.toLocaleString('en-US')),
    line('rate', byteRate(values.rate)),
    ...sides.map((side) => line(side, byteRate(values[side]))),
    line('last 10 s', byteRate(values.window)),
    line('packets/s', shortNumber(values.pps)),
    line('bytes', byteCount(values.bytes)),
    line('packets', values.packets.toLocaleString('en-US')),
  ];
}

function decisionLines(name: string, decision: RouteDecision | null): DetailLine[] {
  if (decision === null) return [title(name), line('', 'no packet in this direction, or not known yet')];
  const { verdict, type, reason, confidence, observed } = decision;
  const rest = (
    ['stage', 'rule', 'table', 'prefix', 'gateway', 'dev', 'scope', 'protocol', 'metric', 'prefsrc'] as const
  ).flatMap((key) => (decision[key] === null ? [] : [line(key, String(decision[key]))]));
  return [
    title(name),
    line('verdict', `${verdict ?? '-'} (${type})`),
    ...(decision.text === null ? [] : [line('as ip prints', decision.text)]),
    ...rest,
    line('confidence', confidence),
    ...(observed === 'n/a' ? [] : [line('observed', observed)]),
    ...(reason === null ? [] : [line('reason', reason)]),
  ];
}

function flagText(flags: number): string {
  return flagLetters(flags) || '-';
}

function isoTime(sec: number, nsec: number): string {
  return `${new Date(sec * 1000).toISOString().slice(0, -5)}.${String(nsec).padStart(9, '0')}Z`;
}

function line(name: string, text: string): DetailLine {
  return { name, text };
}

function title(name: string): DetailLine {
  return { name, text: '', isTitle: true };
}
