import { protocolName } from '../../storage/protocols.ts';
import { liveStatus } from '../daemon-status.ts';
import { formatColumns } from '../format/columns.ts';
import { flagLetters } from '../format/tcp-flags.ts';
import { formatSeconds, formatTime } from '../format/time.ts';
import { headerLines } from './header.ts';
import type { Look } from './look.ts';
import { lossesOf } from './losses.ts';
import type { TopState } from './model.ts';
import type { TopRow } from './rows.ts';
import { COLUMNS_OF } from './view-columns.ts';

/** Where there is no terminal, lines of the head are not cut. */
const NO_EDGE = 100_000;

/** A snapshot as text: the head as on the screen, and the table. @param width columns of the terminal, or null */
export function snapshotText(state: TopState, look: Look, width: number | null, nowMs: number): string {
  const context = { nowS: nowMs / 1000, isUnicode: look.isUnicode };
  const columns = COLUMNS_OF[state.view]
    .filter(({ isBar }) => !isBar)
    .map(({ title, align, dropOrder, text }) => ({
      title,
      align,
      dropOrder,
      text: (row: TopRow) => text(row, context),
    }));
  const head = headerLines(state, width ?? NO_EDGE, look, nowMs);
  return `${head.join('\n')}\n${formatColumns(columns, state.rows, width, look.colors.bold)}`;
}

/** A snapshot as `--json` prints it. @param control path of the socket */
export function snapshotJson(state: TopState, control: string, nowMs: number): Record<string, unknown> {
  const { history, ranking, view, filter, rows } = state;
  const status = history.latest!;
  return {
    time: new Date(nowMs).toISOString(),
    view,
    filter: filter.text === '' ? null : filter.text,
    interval_s: ranking?.intervalS ?? null,
    window_s: ranking?.windowS ?? null,
    matched_flows: ranking?.matched ?? null,
    bytes_per_s: ranking?.bytesPerS ?? null,
    packets_per_s: ranking?.packetsPerS ?? null,
    row_count: view === 'namespaces' ? rows.length : (ranking?.rows ?? null),
    rows: rows.map(rowJson),
    losses: Object.fromEntries(lossesOf(status, null).map(({ key, total }) => [key, total])),
    daemon: liveStatus(control, status),
  };
}

function rowJson(row: TopRow): Record<string, unknown> {
  const { rate, sent, received, window, pps, bytes, packets, flows } = row.values;
  const rates = { bytes_per_s: rate, bytes_per_s_10s: window, packets_per_s: pps };
  const sides = { sent_bytes_per_s: sent, received_bytes_per_s: received };
  const sums = { flows, bytes, packets };
  switch (row.kind) {
    case 'flow':
      return flowJson(row, rates);
    case 'talker': {
      const { netns, interface: name, address } = row.group;
      return { netns, interface: name, address, ...rates, ...sides, ...sums };
    }
    case 'place':
      return {
        netns: row.netns,
        interface: row.interface === '' ? null : row.interface,
        ...rates,
        ...sums,
        kernel_drops: row.kernelDrops,
        undecoded: row.undecoded,
        evicted_flows: row.evicted,
      };
    case 'route':
      return { netns: row.group.netns, route: row.route, ...rates, ...sums };
  }
}

/** Keys as docs/flow-fields.md has them. */
function flowJson(
  { ranked, routeFwd, routeRev }: Extract<TopRow, { kind: 'flow' }>,
  rates: Record<string, number>,
): Record<string, unknown> {
  const { flow } = ranked;
  const startNs = BigInt(flow.startS) * 1_000_000_000n + BigInt(flow.startNs);
  const endNs = BigInt(flow.endS) * 1_000_000_000n + BigInt(flow.endNs);
  const isTcp = flow.protocol === 6;
  const tcp = (value: number): number | null => (isTcp ? value : null);
  return {
    netns: flow.netns,
    interface: flow.interface,
    vlan: ranked.vlan,
    ip_version: flow.ipVersion,
    protocol: protocolName(flow.protocol),
    proto_number: flow.protocol,
    src: flow.src,
    src_port: flow.hasPorts ? flow.srcPort : null,
    dst: flow.dst,
    dst_port: flow.hasPorts ? flow.dstPort : null,
    start: formatTime(startNs),
    end: formatTime(endNs),
    duration_s: formatSeconds(endNs - startNs),
    ...rates,
    bytes_fwd_per_s: ranked.bytesFwdPerS,
    bytes_rev_per_s: ranked.bytesRevPerS,
    packets_fwd: flow.packetsFwd,
    packets_rev: flow.packetsRev,
    bytes_fwd: flow.bytesFwd,
    bytes_rev: flow.bytesRev,
    ip_bytes_fwd: ranked.ipBytesFwd,
    ip_bytes_rev: ranked.ipBytesRev,
    payload_bytes_fwd: ranked.payloadBytesFwd,
    payload_bytes_rev: ranked.payloadBytesRev,
    tcp_flags_fwd: isTcp ? flagLetters(ranked.tcpFlagsFwd) : null,
    tcp_flags_rev: isTcp ? flagLetters(ranked.tcpFlagsRev) : null,
    conn_state: flow.connState || null,
    history: ranked.history || null,
    rtt_us: ranked.rttNs === undefined ? null : ranked.rttNs / 1000,
    retransmits_fwd: tcp(ranked.retransmitsFwd),
    retransmits_rev: tcp(ranked.retransmitsRev),
    out_of_order_fwd: tcp(ranked.outOfOrderFwd),
    out_of_order_rev: tcp(ranked.outOfOrderRev),
    zero_windows_fwd: tcp(ranked.zeroWindowsFwd),
    zero_windows_rev: tcp(ranked.zeroWindowsRev),
    ttl_min_fwd: ranked.ttlMinFwd ?? null,
    ttl_max_fwd: ranked.ttlMaxFwd ?? null,
    ttl_min_rev: ranked.ttlMinRev ?? null,
    ttl_max_rev: ranked.ttlMaxRev ?? null,
    dscp_fwd: ranked.dscpFwd ?? null,
    dscp_rev: ranked.dscpRev ?? null,
    src_mac: ranked.srcMac || null,
    dst_mac: ranked.dstMac || null,
    community_id: ranked.communityId,
    tunnel: ranked.tunnelType === '' ? null : { type: ranked.tunnelType, id: ranked.tunnelId ?? null },
    route_changed: ranked.routeChanged,
    route_fwd: routeFwd,
    route_rev: routeRev,
  };
}
