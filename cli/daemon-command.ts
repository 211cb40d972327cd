import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { checkDaemon } from '../daemon/check.ts';
import type { DaemonOptions } from '../daemon/config.ts';
import { runDaemon } from '../daemon/main.ts';
import { DEFAULT_CONFIG_FILE, readConfigFile } from '../daemon/options/file.ts';
import { formatConfig } from '../daemon/options/print.ts';
import { flagsOverFile, resolveOptions } from '../daemon/options/resolve.ts';
import type { GivenOptions } from '../daemon/options/spec.ts';
import { defaultControl } from './default-control.ts';
import { defaultDb } from './default-db.ts';
import { writeLines } from './output.ts';

/** Flags of `nstap daemon` as they were given. */
export interface DaemonCommandFlags extends GivenOptions {
  config?: string;
  check?: boolean;
}

/**
 * The daemon's options: flags over the configuration file over defaults.
 * @param memoryBytes of the host
 * @throws ConfigError; Error when the file cannot be read
 */
export function daemonOptions(flags: DaemonCommandFlags, memoryBytes: number): DaemonOptions {
  const { config, check: _, ...given } = flags;
  const path = config ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : null);
  const file = path === null ? {} : readConfigFile(path);
  const asked = flagsOverFile(given, file);
  const options = resolveOptions(asked, defaultDb(), memoryBytes);
  return asked.control === undefined ? { ...options, control: defaultControl() } : options;
}

/**
 * Runs the daemon until it is stopped, or checks its configuration.
 * @returns exit status
 * @throws ConfigError, PcapError for a mistake in the configuration; Error when it cannot be started
 */
export async function daemonCommand(flags: DaemonCommandFlags): Promise<number> {
  const read = (): DaemonOptions => daemonOptions(flags, totalmem());
  const options = read();
  if (flags.check !== true) return runDaemon(options, { reread: read });
  const { user } = checkDaemon(options);
  await writeLines([`# Checked: the engine runs as ${user.name}.\n`, formatConfig(options)]);
  return 0;
}
