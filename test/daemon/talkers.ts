import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Lab, until } from '../kernel/lab.ts';

const SCRIPT = fileURLToPath(new URL('./tcp-talk.ts', import.meta.url));

/** Octets of one connection as its sockets counted them, from the client and from the server. */
export type Octets = [sent: number, received: number];

/** Real TCP connections between two namespaces that exchange octets until told to stop, see tcp-talk.ts. */
export class Talkers {
  readonly #client: ChildProcess;
  #text = '';
  #error = '';

  private constructor(client: ChildProcess) {
    this.#client = client;
    client.stdout!.on('data', (chunk) => (this.#text += chunk));
    client.stderr!.on('data', (chunk) => (this.#error += chunk));
  }

  /** Starts both ends, and waits until all connections are open. @param host address of the server's namespace */
  static async start(
    lab: Lab,
    from: string,
    to: string,
    host: string,
    port: number,
    count: number,
  ): Promise<Talkers> {
    const server = lab.start(to, process.execPath, SCRIPT, 'server', host, String(port));
    await once(server.stdout!, 'data');
    const talkers = new Talkers(
      lab.startWithInput(from, process.execPath, SCRIPT, 'client', host, String(port), String(count)),
    );
    await until('the connections are open', () => talkers.#text.includes('ready'));
    return talkers;
  }

  /** Closes all connections. @returns what was exchanged, by the client's port */
  async stop(): Promise<Map<number, Octets>> {
    this.#client.stdin!.end();
    await until(`the connections are closed: ${this.#error}`, () => this.#client.exitCode !== null);
    const counts = JSON.parse(this.#text.replace('ready\n', '')) as Record<string, Octets>;
    return new Map(Object.entries(counts).map(([port, octets]) => [Number(port), octets]));
  }
}
