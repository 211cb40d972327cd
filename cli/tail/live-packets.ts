import { setTimeout as sleep } from 'node:timers/promises';
import { ControlClient, type PacketsAsked } from '../../daemon/control/client.ts';
import { ControlError } from '../../daemon/control/errors.ts';
import type { LiveCapture, PacketsMessage } from '../../daemon/control/messages.ts';
import { type Selects, selectsOf } from '../../daemon/control/selectors.ts';
import { version } from '../../daemon/version.ts';
import type { InterfaceCounts } from './capture-file.ts';

/** The counters of the interfaces are asked for this often: of those that end meanwhile, these are the last. */
const STATUS_MS = 2000;
/** Before the daemon is asked again whose connection broke. */
const AGAIN_MS = 100;

/** What the tail hears beside packets. */
export interface LivePacketsHooks {
  /** Packets come from now on, of these captures. @param isAgain the connection had broken */
  begun(captures: readonly LiveCapture[], isAgain: boolean): void;
  /** The connection broke; it is made anew. */
  lost(): void;
}

/**
 * The packets of a daemon, also when its engine is started anew meanwhile: then the connection breaks, and the daemon takes a new
 * one as soon as it captures again.
 */
export class LivePackets {
  readonly #path: string;
  readonly #asked: PacketsAsked;
  readonly #selects: Selects;
  /** Of all connections: what the kernel counted of each interface, by its place. */
  readonly #counts = new Map<string, InterfaceCounts>();
  #base = new Map<number, LiveCapture>();

  constructor(path: string, asked: PacketsAsked) {
    this.#path = path;
    this.#asked = asked;
    this.#selects = selectsOf({ netns: asked.netns ?? '', interface: asked.interface ?? '' });
  }

  /** Of the interfaces that were watched, since each began to be. */
  get counts(): InterfaceCounts[] {
    return [...this.#counts.values()];
  }

  /**
   * Messages until `signal` is aborted, and then what the daemon still has.
   * @throws ControlError; CONTROL_STOPPING, CONTROL_NO_DAEMON: the daemon has ended
   */
  async *messages(hooks: LivePacketsHooks, signal: AbortSignal): AsyncGenerator<PacketsMessage, void> {
    let isAgain = false;
    for (;;) {
      const client = await ControlClient.connect(this.#path, `nstap ${version()} tail`);
      try {
        yield* this.#connection(client, hooks, signal, isAgain);
        return;
      } catch (error) {
        if (!(error instanceof ControlError) || error.code !== 'CONTROL_CLOSED' || signal.aborted)
          throw error;
      } finally {
        client.close();
      }
      hooks.lost();
      isAgain = true;
      await sleep(AGAIN_MS);
    }
  }

  async *#connection(
    client: ControlClient,
    hooks: LivePacketsHooks,
    signal: AbortSignal,
    isAgain: boolean,
  ): AsyncGenerator<PacketsMessage, void> {
    const before = await this.#captures(client);
    this.#base = new Map(before.map((capture) => [capture.index, capture]));
    const last = new Map<number, LiveCapture>();
    const look = async (): Promise<void> => {
      for (const capture of await this.#captures(client)) last.set(capture.index, capture);
    };
    const failed: unknown[] = [];
    const timer = setInterval(() => {
      // The stream fails with the same, and tells it.
      look().catch((error: unknown) => failed.push(error));
    }, STATUS_MS);
    try {
      yield* client.packets(this.#asked, () => hooks.begun(before, isAgain), signal);
    } finally {
      clearInterval(timer);
      // After a broken connection, what was told last is all there is.
      if (failed.length === 0) await look().catch((error: unknown) => failed.push(error));
      for (const capture of last.values()) this.#add(capture);
    }
  }

  async #captures(client: ControlClient): Promise<LiveCapture[]> {
    return (await client.status()).captures.filter((capture) => this.#selects(capture));
  }

  #add({ index, netns, interface: name, received, kernelDrops }: LiveCapture): void {
    const base = this.#base.get(index);
    const key = `${netns}\0${name}`;
    const sum = this.#counts.get(key) ?? { netns, interface: name, received: 0, kernelDrops: 0 };
    sum.received += received - (base?.received ?? 0);
    sum.kernelDrops += kernelDrops - (base?.kernelDrops ?? 0);
    this.#counts.set(key, sum);
  }
}
