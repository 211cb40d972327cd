import type { CaptureInfo } from '../storage/messages.ts';
import type { DaemonOptions } from './config.ts';
import type { EngineCommand, EngineReport } from './engine-messages.ts';
import { IFF_UP } from './kernel/constants.ts';
import type { Interface } from './kernel/interfaces.ts';
import type { Logger } from './logger.ts';
import { matchesGlob } from './netns/glob.ts';
import type { LinkWatcher } from './netns/link-watcher.ts';
import { CaptureOpener } from './open-capture.ts';

/** Wait before a capture that failed is tried again: doubled each time, from the first to the second. */
const RETRY_MS: readonly [number, number] = [500, 10_000];
/** Captures that one engine can number; then it is replaced by a new one. See MAX_CAPTURES in flow/table.ts. */
const CAPTURES_PER_ENGINE = 65_000;

/** The engine, as far as captures are given to it. */
export interface CaptureEngine {
  /** See EngineProcess. */
  send(command: EngineCommand, fds: readonly number[], netnsId: string | null): void;
}

interface Capture {
  readonly info: CaptureInfo;
  readonly key: string;
  readonly ringMib: number;
}

interface Retry {
  atMs: number;
  delayMs: number;
  reason: string;
}

/** The captures that one engine has: which are wanted, opened, failed, and when a failed one is tried again. */
export class CaptureSet {
  readonly #options: DaemonOptions;
  readonly #log: Logger;
  readonly #opener: CaptureOpener;
  readonly #captures = new Map<number, Capture>();
  readonly #byKey = new Map<string, Capture>();
  readonly #retries = new Map<string, Retry>();
  #nextIndex = 0;

  /** @throws PcapError when the filter is wrong */
  constructor(options: DaemonOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
    this.#opener = new CaptureOpener(options);
  }

  /** Another engine is there, which has none of the captures. */
  clear(): void {
    this.#captures.clear();
    this.#byKey.clear();
    this.#retries.clear();
    this.#nextIndex = 0;
  }

  /**
   * Opens what is wanted and not open, closes what is open and gone.
   * @param namespaces that are there now
   * @returns false when the engine can number no more captures, and another has to take its place
   */
  reconcile(namespaces: Iterable<LinkWatcher>, engine: CaptureEngine): boolean {
    const present = new Set<string>();
    for (const links of namespaces) {
      const { id } = links.netns;
      for (const capture of [...this.#captures.values()]) {
        if (capture.info.netnsId !== id) continue;
        const link = links.links.get(capture.info.ifIndex ?? -1);
        // A renamed interface is another one to the user.
        if (link?.name !== capture.info.interface) this.#remove(capture, 'interface removed', engine);
      }
      for (const link of links.links.values()) {
        const key = `${id}/${link.ifIndex}`;
        present.add(key);
        if (this.#byKey.has(key) || !this.#isWanted(link)) continue;
        const retry = this.#retries.get(key);
        if (retry !== undefined && performance.now() < retry.atMs) continue;
        if (this.#nextIndex >= CAPTURES_PER_ENGINE) return false;
        this.#open(links, link, key, engine);
      }
    }
    for (const key of this.#retries.keys()) if (!present.has(key)) this.#retries.delete(key);
    return true;
  }

  /** Takes what the engine says of a capture. */
  report(report: Exclude<EngineReport, { type: 'ready' }>): void {
    // Unknown: its namespace was removed meanwhile.
    const capture = this.#captures.get(report.captureIndex);
    if (capture === undefined) return;
    const { netns, interface: name } = capture.info;
    const fields = { netns, interface: name, captureIndex: report.captureIndex };
    if (report.type === 'opened') {
      this.#retries.delete(capture.key);
      this.#log.info(
        { event: 'capture-opened', ...fields, ringMib: capture.ringMib },
        `capturing ${name} in ${netns}`,
      );
      return;
    }
    this.#forget(capture);
    const event = report.type === 'failed' ? 'capture-failed' : 'capture-ended';
    this.#later(capture.key, event, fields, report.reason);
  }

  /** A namespace is gone, and the engine was told: its captures are none any more. */
  dropNetns(netnsId: string): void {
    for (const capture of [...this.#captures.values()])
      if (capture.info.netnsId === netnsId) this.#forget(capture);
  }

  #isWanted(link: Interface): boolean {
    // libpcap refuses an interface that is down; a ring waits for it to come up.
    if (this.#options.backend === 'libpcap' && (link.flags & IFF_UP) === 0) return false;
    return this.#options.interfaces.some((glob) => matchesGlob(link.name, glob));
  }

  #open(links: LinkWatcher, link: Interface, key: string, engine: CaptureEngine): void {
    const usedMib = [...this.#captures.values()].reduce((sum, capture) => sum + capture.ringMib, 0);
    try {
      const { info, command, fd, ringMib } = this.#opener.open(links, link, this.#nextIndex, usedMib);
      const capture = { info, key, ringMib };
      this.#nextIndex++;
      this.#captures.set(info.index, capture);
      this.#byKey.set(key, capture);
      engine.send(command, [fd], info.netnsId);
    } catch (error) {
      const fields = { netns: links.netns.name, interface: link.name };
      this.#later(key, 'capture-failed', fields, (error as Error).message);
    }
  }

  #remove(capture: Capture, reason: string, engine: CaptureEngine): void {
    engine.send({ type: 'remove-capture', captureIndex: capture.info.index, reason }, [], null);
    this.#forget(capture);
    this.#log.info(
      { event: 'capture-ended', netns: capture.info.netns, interface: capture.info.interface, reason },
      `${capture.info.interface} in ${capture.info.netns}: ${reason}`,
    );
  }

  #forget(capture: Capture): void {
    this.#captures.delete(capture.info.index);
    if (this.#byKey.get(capture.key) === capture) this.#byKey.delete(capture.key);
  }

  /** Tells why a capture is not, and when it is tried again; the same reason is told once and then at debug only. */
  #later(
    key: string,
    event: string,
    fields: { netns: string | null; interface: string | null },
    reason: string,
  ): void {
    const before = this.#retries.get(key);
    const delayMs = Math.min(before === undefined ? RETRY_MS[0] : before.delayMs * 2, RETRY_MS[1]);
    this.#retries.set(key, { delayMs, atMs: performance.now() + delayMs, reason });
    const level = before?.reason === reason ? 'debug' : 'warn';
    this.#log[level]({ event, ...fields, reason }, `${fields.interface} in ${fields.netns}: ${reason}`);
  }
}
