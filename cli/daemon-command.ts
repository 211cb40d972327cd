import { totalmem } from 'node:os';
import { type Backend, type DaemonOptions, defaultOptions, type LogLevel } from '../daemon/config.ts';
import { runDaemon } from '../daemon/main.ts';
import { defaultControl } from './default-control.ts';
import { defaultDb } from './default-db.ts';
import { type MeteringFlags, meteringOptions } from './metering-options.ts';

/** Flags of `nstap daemon` as they were given. */
export interface DaemonCommandFlags extends MeteringFlags {
  netns: string[];
  interface: string[];
  filter?: string;
  db?: string;
  backend: Backend;
  user?: string;
  ringMib?: number;
  ringTotalMib?: number;
  snaplen?: number;
  auditRate?: number;
  routeHistory: boolean;
  logLevel: LogLevel;
  control?: string;
}

/** The daemon's options: flags over defaults. @param memoryBytes of the host */
export function daemonOptions(flags: DaemonCommandFlags, memoryBytes: number): DaemonOptions {
  const defaults = defaultOptions(flags.db ?? defaultDb(), memoryBytes);
  const ringMib = flags.ringMib ?? defaults.ringMib;
  return {
    netns: flags.netns.length > 0 ? flags.netns : defaults.netns,
    interfaces: flags.interface.length > 0 ? flags.interface : defaults.interfaces,
    // Blank means every packet, as in tcpdump.
    filter: flags.filter === undefined || flags.filter.trim() === '' ? null : flags.filter,
    exclude: defaults.exclude,
    db: defaults.db,
    backend: flags.backend,
    user: flags.user ?? null,
    ringMib,
    ringTotalMib: flags.ringTotalMib ?? Math.max(ringMib, defaults.ringTotalMib),
    snapLen: flags.snaplen ?? defaults.snapLen,
    ...meteringOptions(flags),
    auditRate: flags.auditRate ?? defaults.auditRate,
    routeHistory: flags.routeHistory,
    logLevel: flags.logLevel,
    control: flags.control === 'none' ? null : (flags.control ?? defaultControl()),
  };
}

/** Runs the daemon until it is stopped. @returns exit status @throws Error when it cannot be started */
export function daemonCommand(flags: DaemonCommandFlags): Promise<number> {
  return runDaemon(daemonOptions(flags, totalmem()));
}
