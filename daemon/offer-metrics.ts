import type { Logger } from './logger.ts';
import type { MetricsStore } from './metrics/store.ts';

/** Serves metrics at an address, with code that is loaded only when it is asked for. A failure is logged: capture goes on. */
export function offerMetrics(store: MetricsStore, address: string, log: Logger): void {
  import('./metrics/server.ts').then(
    ({ serveMetrics }) => serveMetrics(store, address, log),
    (error: Error) => log.error({ event: 'metrics-failed', err: error }, error.message),
  );
}
