import { isIP } from 'node:net';

/** Where the metrics are served. */
export interface ListenAddress {
  /** An IP address. */
  host: string;
  /** 0: one that is free; the log tells which. */
  port: number;
}

/**
 * Reads "9464" (of 127.0.0.1), "10.0.0.1:9464" or "[::1]:9464". No names: what is bound must not depend on a resolver.
 * @returns null when it is none of them
 */
export function parseListenAddress(text: string): ListenAddress | null {
  const [, v6, v4, digits] = /^(?:\[([^\]]+)\]:|([^:]+):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits ?? NaN);
  if (!(port <= 65_535)) return null;
  if (v6 !== undefined) return isIP(v6) === 6 ? { host: v6, port } : null;
  const host = v4 ?? '127.0.0.1';
  return isIP(host) === 4 ? { host, port } : null;
}

/** The address as `parseListenAddress` takes it. */
export function formatListenAddress({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
