import { resolve } from 'node:path';
import type { DaemonOptions } from './config.ts';
import { ControlSocket } from './control-socket.ts';
import { chooseEngineUser } from './engine-user.ts';
import {
  CAP_NET_ADMIN,
  CAP_NET_RAW,
  CAP_SYS_ADMIN,
  effectiveCapabilities,
  setNoNewPrivs,
} from './kernel/privileges.ts';
import { createLogger, type Logger } from './logger.ts';
import { sibling } from './sibling.ts';
import { ServiceManager } from './service-manager.ts';
import { Supervisor } from './supervisor.ts';

/** Files of the daemon are readable by their owner and group only: flows say who talked to whom. */
const UMASK = 0o027;

/** What a daemon needs beside its options. */
export interface DaemonHooks {
  /** Reads the configuration anew, at SIGHUP. @throws Error that says what is wrong; left out: there is none to be read */
  reread?: () => DaemonOptions;
  /** The engine's entry file; tests have their own. */
  engineEntry?: URL;
}

/**
 * Runs the daemon in the foreground until SIGTERM or SIGINT: this process is the supervisor, the engine is its child.
 * @returns exit status: 0 after a drained end
 * @throws Error in one sentence when it cannot be started: not privileged, wrong filter, no user for the engine
 */
export async function runDaemon(
  options: DaemonOptions,
  { reread, engineEntry = sibling('./engine', import.meta.url) }: DaemonHooks = {},
): Promise<number> {
  const held = effectiveCapabilities();
  const needed = [CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN];
  if (!needed.every((cap) => (held & (1n << BigInt(cap))) !== 0n))
    throw new Error(
      'the daemon needs root (or CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW): run it with sudo; `nstap doctor` tells more',
    );
  process.umask(UMASK);
  // Where the program has file capabilities, whatever the supervisor starts would have them as well.
  setNoNewPrivs();
  const db = resolve(options.db);
  const user = chooseEngineUser(options.user, db, engineEntry);
  const log = createLogger('supervisor', options.logLevel);
  if (user.uid === 0)
    log.warn(
      { event: 'engine-is-root' },
      'the engine runs as root without capabilities: a user of its own protects more',
    );
  const manager = new ServiceManager(process.env, log);
  // Before the socket, as it looks at the filter.
  const supervisor = new Supervisor({ ...options, db }, user, engineEntry, log, manager);
  const control = openControl(options.control, supervisor);
  if (control === null) log.info({ event: 'control-none' }, 'no control socket: no clients are taken');
  try {
    const reload = (): void => {
      const next = reread?.() ?? options;
      supervisor.reload({ ...next, db: resolve(next.db) });
    };
    return await supervise(supervisor, control, reload, manager, log);
  } finally {
    manager.close();
    control?.close();
  }
}

function openControl(path: string | null, supervisor: Supervisor): ControlSocket | null {
  try {
    return path === null ? null : new ControlSocket(resolve(path));
  } catch (error) {
    // Its timers would keep the process alive.
    supervisor.stop('no control socket');
    throw error;
  }
}

/** @param reload reads the configuration anew; throws why it stays as it was */
async function supervise(
  supervisor: Supervisor,
  control: ControlSocket | null,
  reload: () => void,
  manager: ServiceManager,
  log: Logger,
): Promise<number> {
  const stop = (signal: string): void => supervisor.stop(signal);
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const hangup = (): void => {
    manager.reloading();
    try {
      reload();
    } catch (error) {
      const { message } = error as Error;
      log.error({ event: 'reload-failed', reason: message }, `all stays as it was: ${message}`);
    }
    manager.ready();
  };
  process.on('SIGHUP', hangup);
  try {
    return await supervisor.run(control, reload);
  } finally {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
    process.off('SIGHUP', hangup);
  }
}
