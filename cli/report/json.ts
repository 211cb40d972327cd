import { type GroupJson, groupJson } from '../format/group-json.ts';
import { flowJson } from '../format/flow-json.ts';
import { formatTime } from '../format/time.ts';
import type { GroupRow } from '../../storage/query-by.ts';
import type { ReportData } from './data.ts';

/** The figures of a report as plain data, for who draws them himself. */
export function reportJson(data: ReportData): object {
  const { totals, parts, traffic, losses, rtt } = data;
  const all = {
    flows: totals.flows,
    packets: totals.packetsFwd + totals.packetsRev,
    bytes: totals.bytesFwd + totals.bytesRev,
  };
  const groups = (names: string[], rows: readonly GroupRow[]): GroupJson[] => {
    const by = names.map((name) => ({ label: name, name }));
    return rows.map((row) => groupJson(by, 'group', row.keys, row, all));
  };
  const us = (share: number): number | null => {
    const ns = rtt.quantile(share);
    return ns === null ? null : Math.round(ns) / 1000;
  };
  return {
    from: timeText(data.fromNs),
    to: timeText(data.toNs),
    flows: totals.flows,
    packets_fwd: totals.packetsFwd,
    packets_rev: totals.packetsRev,
    bytes_fwd: totals.bytesFwd,
    bytes_rev: totals.bytesRev,
    tcp: {
      flows: totals.tcpFlows,
      packets: totals.tcpPackets,
      retransmits: totals.retransmits,
      retransmit_flows: totals.retransmitFlows,
      out_of_order: totals.outOfOrder,
      zero_windows: totals.zeroWindows,
      rtt_us: { count: rtt.count, min: us(0), p50: us(0.5), p90: us(0.9), p99: us(0.99), max: us(1) },
    },
    traffic:
      parts === null || traffic === null
        ? null
        : {
            from: timeText(BigInt(parts.fromSec) * 1_000_000_000n),
            step_s: parts.stepSec,
            counted_bytes: traffic.countedBytes,
            spread_bytes: traffic.spreadBytes,
            groups: data.groups.map((name, i) => ({
              name,
              bytes: [...traffic.bytes[i]!].map(Math.round),
              packets: [...traffic.packets[i]!].map(Math.round),
            })),
          },
    talkers: groups(['host'], data.talkers),
    services: data.services,
    routes: data.routes,
    conn_states: groups(['conn_state'], data.states),
    interfaces: groups(['netns', 'interface'], data.places),
    largest: data.largest.map(flowJson),
    losses: {
      captures: losses.captures,
      packets: losses.counters.packets,
      kernel_drops: losses.counters.kernelDrops,
      undecoded: losses.counters.undecoded,
      tunnel_undecoded: losses.counters.tunnelUndecoded,
      shed_records: losses.counters.shedRecords,
      shed_route_changes: losses.counters.shedRouteChanges,
      shed_hints: losses.counters.shedHints,
      evicted_flows: losses.counters.evictedFlows,
      untracked_flows: losses.counters.untrackedFlows,
      gaps: losses.gaps.map(({ fromNs, toNs, ...gap }) => ({
        ...gap,
        from: timeText(fromNs),
        to: timeText(toNs),
      })),
      dropped_by_retention: data.dropped.flows,
    },
  };
}

function timeText(ns: bigint | null): string | null {
  return ns === null ? null : formatTime(ns);
}
