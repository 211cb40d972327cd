import type { ControlBackend } from './control/backend.ts';
import { ControlServer } from './control/server.ts';
import type { Logger } from './logger.ts';

/** That clients are turned away is told this often, at most: one that tries again in a loop must not fill the log. */
const REFUSED_TELL_MS = 60_000;

/**
 * Takes control clients, and logs what becomes of them.
 * @param fd a listening unix socket; owned by the server from now on
 */
export function serveControl(fd: number, backend: ControlBackend, log: Logger): ControlServer {
  let refusedToldMs = -REFUSED_TELL_MS;
  const server = new ControlServer(fd, backend, {
    opened: (clients) => log.debug({ event: 'control-opened', clients }, 'a control client'),
    closed: (client, reason) =>
      log.debug({ event: 'control-closed', client, reason }, `a control client is gone: ${reason}`),
    refused: () => {
      if (performance.now() - refusedToldMs < REFUSED_TELL_MS) return;
      refusedToldMs = performance.now();
      log.warn({ event: 'control-busy' }, 'too many control clients; more are turned away');
    },
    failed: (error) => log.error({ event: 'control-failed', err: error }, error.message),
  });
  log.info({ event: 'control-listening' }, 'taking control clients');
  return server;
}
