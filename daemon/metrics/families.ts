import type { CaptureCounters, RouteAuditCounts, RouteMirrorCounts } from '../../storage/messages.ts';

/** A metric with a series for each capture: its name, what it means, and the counters that it adds up. */
export interface CaptureFamily {
  name: string;
  help: string;
  /** With a label of this name the parts are series of their own. */
  label?: string;
  /** By the value of that label; one part, named "", without it. */
  parts: Readonly<Record<string, keyof CaptureCounters>>;
  /** Goes up and down. */
  isGauge?: true;
  /** One unit of the counter is this much of the metric's. */
  scale?: number;
}

/** Named as https://prometheus.io/docs/practices/naming/ asks for: base units, counters end in _total. */
export const CAPTURE_FAMILIES: readonly CaptureFamily[] = [
  {
    name: 'nstap_kernel_packets_received_total',
    help: 'Packets that passed the filter, as the kernel counts them, those it dropped included.',
    parts: { '': 'received' },
  },
  {
    name: 'nstap_kernel_packets_dropped_total',
    help: 'Packets that the kernel dropped because the ring was full.',
    parts: { '': 'kernelDrops' },
  },
  {
    name: 'nstap_packets_received_total',
    help: 'Packets taken from the ring. Equal to nstap_packets_decoded_total summed over protocol, and nstap_packets_undecoded_total.',
    parts: { '': 'packets' },
  },
  {
    name: 'nstap_received_bytes_total',
    help: 'Octets of those packets on the wire.',
    parts: { '': 'bytes' },
  },
  {
    name: 'nstap_packets_decoded_total',
    help: 'Packets decoded, by the outermost network header.',
    label: 'protocol',
    parts: { ipv4: 'decodedIpv4', ipv6: 'decodedIpv6', arp: 'decodedArp', other: 'decodedOther' },
  },
  {
    name: 'nstap_packets_undecoded_total',
    help: 'Packets that could not be decoded.',
    parts: { '': 'undecoded' },
  },
  {
    name: 'nstap_packets_truncated_total',
    help: 'Packets captured shorter than they were on the wire.',
    parts: { '': 'truncated' },
  },
  {
    name: 'nstap_packets_duplicate_total',
    help: 'Packets of a loopback interface seen a second time, and left out.',
    parts: { '': 'duplicates' },
  },
  {
    name: 'nstap_tunnel_packets_undecoded_total',
    help: 'Packets in tunnels whose inside could not be followed.',
    parts: { '': 'tunnelUndecoded' },
  },
  {
    name: 'nstap_flows_alive',
    help: 'Flows in the flow table.',
    parts: { '': 'aliveFlows' },
    isGauge: true,
  },
  {
    name: 'nstap_flows_evicted_total',
    help: 'Flows that ended early because the flow table was full.',
    parts: { '': 'evictedFlows' },
  },
  {
    name: 'nstap_flows_untracked_total',
    help: 'TCP flows in trouble for which there was no room to follow it.',
    parts: { '': 'untrackedFlows' },
  },
  {
    name: 'nstap_records_shed_total',
    help: 'What was lost because the database, or a store in memory, was full: records of flows, changes of route decisions, hints.',
    label: 'kind',
    parts: { flow: 'shedRecords', route_change: 'shedRouteChanges', hint: 'shedHints' },
  },
  {
    name: 'nstap_capture_cpu_seconds_total',
    help: 'CPU that the packets took in the capture thread, their flows included.',
    parts: { '': 'cpuNs' },
    scale: 1e-9,
  },
];

/** A metric with a series for each namespace whose routes are followed. */
export type RouteFamily = { name: string; help: string } & (
  | { of: 'mirror'; counter: keyof RouteMirrorCounts }
  | { of: 'audit'; counter: keyof RouteAuditCounts }
);

export const ROUTE_FAMILIES: readonly RouteFamily[] = [
  {
    name: 'nstap_route_changes_applied_total',
    help: 'Changes of routes and rules that were applied.',
    of: 'mirror',
    counter: 'applied',
  },
  {
    name: 'nstap_route_resyncs_total',
    help: 'Times that changes of routes were missed, and the tables read anew.',
    of: 'mirror',
    counter: 'resyncs',
  },
  {
    name: 'nstap_route_reloads_total',
    help: 'Times that the tables were read anew for a change that cannot be applied by itself.',
    of: 'mirror',
    counter: 'reloads',
  },
  {
    name: 'nstap_route_audits_total',
    help: 'Route decisions that the kernel was asked for as well.',
    of: 'audit',
    counter: 'asked',
  },
  {
    name: 'nstap_route_disagreements_total',
    help: 'Route decisions on which the kernel disagreed.',
    of: 'audit',
    counter: 'disagreed',
  },
];

/** Metrics without a label. */
export const ENGINE_FAMILIES = {
  queued: {
    name: 'nstap_storage_queue_batches',
    help: 'Batches of flow records that wait for the database.',
  },
  queueSize: {
    name: 'nstap_storage_queue_capacity_batches',
    help: 'Batches of flow records that may wait, before records are shed.',
  },
  trouble: {
    name: 'nstap_storage_trouble',
    help: '1 while the database takes nothing (disk full, locked), else 0.',
  },
  cpu: {
    name: 'nstap_capture_thread_cpu_seconds_total',
    help: 'CPU of the capture thread.',
  },
  captures: {
    name: 'nstap_captures',
    help: 'Interfaces that are captured now.',
  },
  info: {
    name: 'nstap_build_info',
    help: '1; the label is the version of nstap.',
  },
} as const;
