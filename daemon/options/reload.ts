import type { DaemonOptions } from '../config.ts';
import type { Logger } from '../logger.ts';
import { DAEMON_OPTIONS } from './daemon-options.ts';

/** What a new configuration means for a daemon that runs. */
export interface ReloadPlan {
  /** To be in force from now on: those of before, with the new values of what can change. */
  options: DaemonOptions;
  /** Keys whose new values are among them. */
  changed: string[];
  /** Keys whose new values need a restart. */
  needsRestart: string[];
}

/**
 * Compares two configurations. Live is what changes neither threads nor memory that is there. With libpcap the filter is not:
 * pcap_setfilter throws away what waits in the buffer.
 */
export function planReload(now: DaemonOptions, next: DaemonOptions): ReloadPlan {
  const changed: string[] = [];
  const needsRestart: string[] = [];
  const keepsFilter = now.backend === 'libpcap';
  for (const { key, inForce, isLive } of DAEMON_OPTIONS) {
    if (key === null || JSON.stringify(inForce(now)) === JSON.stringify(inForce(next))) continue;
    const isFilter = key === 'capture.filter' || key === 'capture.snaplen';
    (isLive && !(isFilter && keepsFilter) ? changed : needsRestart).push(key);
  }
  return {
    options: {
      ...now,
      netns: next.netns,
      interfaces: next.interfaces,
      filter: keepsFilter ? now.filter : next.filter,
      snapLen: keepsFilter ? now.snapLen : next.snapLen,
      timeouts: next.timeouts,
      auditRate: next.auditRate,
      logLevel: next.logLevel,
    },
    changed,
    needsRestart,
  };
}

/** Tells what a reload has changed, and what it could not; at the new level. */
export function logReload(log: Logger, { options, changed, needsRestart }: ReloadPlan): void {
  log.level = options.logLevel;
  const what = changed.length === 0 ? 'nothing that can change now' : changed.join(', ');
  log.info({ event: 'reloaded', changed }, `configuration read anew; changed: ${what}`);
  if (needsRestart.length > 0)
    log.warn(
      { event: 'reload-needs-restart', keys: needsRestart },
      `changed in the configuration, but in force after a restart only: ${needsRestart.join(', ')}`,
    );
}
