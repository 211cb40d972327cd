import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import type { Logger } from '../logger.ts';
import { formatListenAddress, parseListenAddress } from '../options/listen-address.ts';
import { metricsRegistry } from './registry.ts';
import type { MetricsStore } from './store.ts';

/** Scrapers at a time; more are turned away. */
const CONNECTIONS_MAX = 16;
/** Octets of a request's head. */
const HEAD_MAX = 8192;
/** A request must be there within this time, and its connection ends after it. */
const REQUEST_MS = 5000;
/** A connection that is kept for the next scrape is kept so long. */
const IDLE_MS = 75_000;
/** An address that is in use, or not there yet, is tried again. */
const RETRY_MS = 5000;

/**
 * Serves GET /metrics on an address until the process ends. That it cannot be had is logged and tried again: nobody who
 * scrapes is a reason to stop the capture.
 * @param address as parseListenAddress takes it
 */
export function serveMetrics(store: MetricsStore, address: string, log: Logger): Server {
  const listen = parseListenAddress(address);
  if (listen === null) throw new RangeError(`metrics: "${address}" is no address`);
  const server = metricsServer(metricsRegistry(store));
  const where = formatListenAddress(listen);
  let reason = '';
  server.on('listening', () => {
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
    const url = `http://${formatListenAddress({ host: listen.host, port })}/metrics`;
    reason = '';
    log.info({ event: 'metrics-listening', url }, `metrics on ${url}`);
  });
  server.on('error', (error) => {
    // It is tried for as long as it takes; once is enough to be told.
    if (error.message !== reason)
      log.error(
        { event: 'metrics-failed', address: where, reason: error.message },
        `metrics cannot be served on ${where}: ${error.message}; trying again`,
      );
    reason = error.message;
    setTimeout(() => server.listen(listen.port, listen.host), RETRY_MS);
  });
  return server.listen(listen.port, listen.host);
}

/** The server by itself, not listening. */
export function metricsServer(registry: Registry): Server {
  const server = createServer(
    {
      maxHeaderSize: HEAD_MAX,
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS,
      keepAliveTimeout: IDLE_MS,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => {
      answer(registry, request, response).catch((error: Error) => response.destroy(error));
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  // Whoever takes the answer in too slowly, or says nothing at all.
  server.timeout = IDLE_MS;
  server.on('clientError', (_, socket) => socket.destroy());
  return server;
}

async function answer(registry: Registry, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split('?', 1)[0];
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  // A body is not read: what it says next is not ours.
  if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined)
    response.setHeader('Connection', 'close');
  if (path !== '/metrics') end(response, 404, 'not found; GET /metrics\n');
  else if (!isRead) {
    response.setHeader('Allow', 'GET, HEAD');
    end(response, 405, 'GET /metrics\n');
  } else {
    const text = await registry.metrics();
    end(response, 200, request.method === 'HEAD' ? '' : text, registry.contentType);
  }
}

function end(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, {
    'Content-Type': type,
    'X-Content-Type-Options': 'nosniff',
    ...(text === '' ? {} : { 'Content-Length': Buffer.byteLength(text) }),
  });
  response.end(text);
}
