import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ControlClient } from '../daemon/control/client.ts';
import type { LiveCapture, LiveStatus } from '../daemon/control/messages.ts';

/** A capture as the daemon counts it now; its counters as those of CaptureStatus. */
export interface LiveCaptureStatus {
  netns: string;
  netns_id: string;
  interface: string;
  /** As the kernel counts them; what it dropped included. */
  received: number;
  kernel_drops: number;
  duplicates: number;
  packets: number;
  bytes: number;
  decoded: number;
  undecoded: number;
}

/** What a running daemon says of itself. */
export interface DaemonStatus {
  control: string;
  version: string;
  pid: number;
  engine_pid: number;
  uptime_s: number;
  engine_uptime_s: number;
  engine_restarts: number;
  engine_cpu_s: number;
  engine_rss_bytes: number;
  /** Why the database takes no records just now, or null. */
  storage_trouble: string | null;
  flows: number;
  max_flows: number;
  queued_batches: number;
  max_queued_batches: number;
  clients: number;
  max_clients: number;
  refused_clients: number;
  skipped_packets: number;
  skipped_flows: number;
  captures: LiveCaptureStatus[];
}

/** Asks a daemon how it does, and which database it writes. @throws ControlError */
export async function daemonStatus(
  client: ControlClient,
): Promise<{ database: string; daemon: DaemonStatus }> {
  const status = await client.status();
  return { database: status.database, daemon: liveStatus(client.path, status) };
}

/** True when two paths lead to the same file. */
export function isSameFile(a: string, b: string): boolean {
  return realPath(a) === realPath(b);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Not there, or not to be looked into: by name, then.
    return resolve(path);
  }
}

/** A status as `--json` prints it. @param control path of the socket */
export function liveStatus(control: string, s: LiveStatus): DaemonStatus {
  return {
    control,
    version: s.nstap,
    pid: s.pid,
    engine_pid: s.enginePid,
    uptime_s: s.uptimeS,
    engine_uptime_s: s.engineUptimeS,
    engine_restarts: s.engineRestarts,
    engine_cpu_s: s.engineCpuS,
    engine_rss_bytes: s.engineRssBytes,
    storage_trouble: s.storageTrouble === '' ? null : s.storageTrouble,
    flows: s.flows,
    max_flows: s.maxFlows,
    queued_batches: s.queuedBatches,
    max_queued_batches: s.maxQueuedBatches,
    clients: s.clients,
    max_clients: s.maxClients,
    refused_clients: s.refusedClients,
    skipped_packets: s.skippedPackets,
    skipped_flows: s.skippedFlows,
    captures: s.captures.map(captureStatus),
  };
}

function captureStatus(c: LiveCapture): LiveCaptureStatus {
  return {
    netns: c.netns,
    netns_id: c.netnsId,
    interface: c.interface,
    received: c.received,
    kernel_drops: c.kernelDrops,
    duplicates: c.duplicates,
    packets: c.packets,
    bytes: c.bytes,
    decoded: c.decoded,
    undecoded: c.undecoded,
  };
}
