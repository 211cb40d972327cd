import { sendDatagram } from './kernel/notify.ts';
import type { Logger } from './logger.ts';

/** Of a watchdog's time, how much passes between two signs of life: half of it, as sd_watchdog_enabled(3) says. */
const WATCHDOG_SHARE = 0.5;

/**
 * Tells the service manager how the daemon is, by the protocol of sd_notify(3), when one started it ($NOTIFY_SOCKET); else it
 * does nothing. A manager that cannot be told is logged once: the capture is worth more. Signs of life come from the event loop that
 * looks after the engine, and replaces one that has hung.
 */
export class ServiceManager {
  readonly #path: string | null;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout | null;
  #failed = false;

  /**
   * Takes the manager's variables out of the environment, so that no child believes them to be its own.
   */
  constructor(env: NodeJS.ProcessEnv, log: Logger) {
    this.#path = env.NOTIFY_SOCKET || null;
    this.#log = log;
    const periodUs = Number(env.WATCHDOG_USEC ?? 0);
    // WATCHDOG_PID names the process that is watched; without it every process with the variables is meant.
    const isOurs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === process.pid;
    const isWatched = this.#path !== null && isOurs && periodUs > 0;
    this.#timer = isWatched
      ? setInterval(() => this.#send('WATCHDOG=1'), (periodUs / 1000) * WATCHDOG_SHARE)
      : null;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  }

  /** It captures. */
  ready(): void {
    this.#send('READY=1\nSTATUS=capturing');
  }

  /** It reads its configuration again; `ready` follows. sd_notify(3) wants the time of it, CLOCK_MONOTONIC in microseconds. */
  reloading(): void {
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  /** It drains. */
  stopping(): void {
    this.#send('STOPPING=1\nSTATUS=draining');
  }

  /** No further sign of life. Idempotent. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #send(text: string): void {
    if (this.#path === null) return;
    try {
      sendDatagram(this.#path, text);
    } catch (error) {
      if (!this.#failed)
        this.#log.warn(
          { event: 'notify-failed', err: error },
          `service manager: ${(error as Error).message}`,
        );
      this.#failed = true;
    }
  }
}
