import type { CaptureInfo } from '../storage/messages.ts';
import type { CaptureRules } from './capture-rules.ts';
import type { DaemonOptions } from './config.ts';
import type { Selection } from './control/messages.ts';
import { selectsOf } from './control/selectors.ts';
import type { CaptureReport, EngineCommand } from './engine-messages.ts';
import { ENODEV } from './kernel/constants.ts';
import { IFF_UP } from './kernel/netlink-constants.ts';
import { SyscallError } from './kernel/errors.ts';
import type { Interface } from './kernel/interfaces.ts';
import { type LinkLayer, linkLayerOf } from './kernel/packet-socket.ts';
import type { Logger } from './logger.ts';
import type { FoundNetns } from './netns/discovery.ts';
import type { LinkWatcher } from './netns/link-watcher.ts';
import { parseInterfaceSelectors, selectsInterface, type Selectors } from './netns/selector.ts';
import { filterCommands } from './filter-commands.ts';
import { CaptureOpener } from './open-capture.ts';

/** Wait before a capture that failed is tried again: doubled each time, from the first to the second. */
const RETRY_MS: readonly [number, number] = [250, 10_000];
/** A capture that lived this long and then ended is opened again at once, should its interface be there. */
const HEALTHY_MS = 1000;
/** Captures that one engine can number; then it is replaced by a new one. See MAX_CAPTURES in flow/table-options.ts. */
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
  readonly layer: LinkLayer;
  /** performance.now() */
  readonly sinceMs: number;
}

interface Retry {
  atMs: number;
  delayMs: number;
  reason: string;
}

/** The captures that one engine has: which are wanted, opened, failed, and when a failed one is tried again. */
export class CaptureSet {
  #options: DaemonOptions;
  readonly #rules: CaptureRules;
  readonly #log: Logger;
  #opener: CaptureOpener;
  #interfaces: Selectors<RegExp>;
  readonly #captures = new Map<number, Capture>();
  /** By namespace, then by ifindex: the same captures. */
  readonly #byNetns = new Map<string, Map<number, Capture>>();
  readonly #retries = new Map<string, Retry>();
  /** What was open when an engine ended, and why it did, until it is open again. */
  readonly #gaps = new Map<string, string>();
  #nextIndex = 0;

  /**
   * @param rules of control clients, which come before what the options say
   * @throws PcapError when the filter is wrong, SelectorError
   */
  constructor(options: DaemonOptions, rules: CaptureRules, log: Logger) {
    this.#options = options;
    this.#rules = rules;
    this.#log = log;
    this.#interfaces = parseInterfaceSelectors(options.interfaces);
    this.#opener = new CaptureOpener(options);
  }

  /**
   * Takes other options for what is opened from now on; `reconcile` lets go what they do not select.
   * @returns commands for the engine: the filters of captures that are open
   * @throws PcapError when the filter is wrong for one of them, ConfigError when it is too long to be handed over,
   *         SelectorError: nothing has changed then
   */
  reload(options: DaemonOptions): EngineCommand[] {
    const interfaces = parseInterfaceSelectors(options.interfaces);
    const { filter, snapLen } = this.#options;
    let commands: EngineCommand[] = [];
    if (options.filter !== filter || options.snapLen !== snapLen) {
      const opener = new CaptureOpener(options);
      commands = filterCommands(opener, [...this.#captures.values()]);
      this.#opener = opener;
    }
    this.#interfaces = interfaces;
    this.#options = options;
    return commands;
  }

  /** Another engine is there, which has none of the captures. @param reason why the one before ended, for the gap */
  clear(reason: string): void {
    for (const { key } of this.#captures.values()) if (!this.#gaps.has(key)) this.#gaps.set(key, reason);
    this.#captures.clear();
    this.#byNetns.clear();
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
      for (const capture of [...(this.#byNetns.get(id)?.values() ?? [])]) {
        const link = links.links.get(capture.info.ifIndex!);
        if (link?.name === capture.info.interface) {
          if (!this.#isSelected(links.netns, link)) this.#remove(capture, 'not selected any more', engine);
          continue;
        }
        if (link === undefined) this.#remove(capture, 'interface removed', engine);
        else if (!this.#isWanted(links.netns, link) || !this.#isSameLayer(capture, link))
          this.#remove(capture, `interface renamed to ${link.name}`, engine);
        else if (this.#nextIndex >= CAPTURES_PER_ENGINE) return false;
        else this.#rename(capture, link, engine);
      }
      const open = this.#byNetns.get(id);
      for (const link of links.links.values()) {
        const key = `${id}/${link.ifIndex}`;
        present.add(key);
        if (open?.has(link.ifIndex) || !this.#isWanted(links.netns, link)) continue;
        const retry = this.#retries.get(key);
        if (retry !== undefined && performance.now() < retry.atMs) continue;
        if (this.#nextIndex >= CAPTURES_PER_ENGINE) return false;
        this.#open(links, link, key, engine);
      }
    }
    for (const keys of [this.#retries, this.#gaps])
      for (const key of keys.keys()) if (!present.has(key)) keys.delete(key);
    return true;
  }

  /**
   * Takes what the engine says of a capture.
   * @returns the namespace whose links are to be read anew and reconciled, since a capture in it ended by itself; else null
   */
  report(report: CaptureReport): string | null {
    // Unknown: its namespace was removed meanwhile.
    const capture = this.#captures.get(report.captureIndex);
    if (capture === undefined) return null;
    const { netns, netnsId, interface: name } = capture.info;
    const fields = { netns, interface: name, captureIndex: report.captureIndex };
    if (report.type === 'opened') {
      this.#retries.delete(capture.key);
      this.#gaps.delete(capture.key);
      this.#log.info(
        { event: 'capture-opened', ...fields, ringMib: capture.ringMib },
        `capturing ${name} in ${netns}`,
      );
      return null;
    }
    this.#forget(capture);
    const isHealthy = report.type === 'ended' && performance.now() - capture.sinceMs >= HEALTHY_MS;
    if (isHealthy) this.#ended(capture, report.reason);
    else
      this.#later(
        capture.key,
        report.type === 'failed' ? 'capture-failed' : 'capture-ended',
        fields,
        report.reason,
      );
    return netnsId;
  }

  /** A namespace is gone, and the engine was told: its captures are none any more. */
  dropNetns(netnsId: string): void {
    for (const capture of this.#byNetns.get(netnsId)?.values() ?? []) this.#forget(capture);
  }

  /** Captures of a selection that are open, or being opened. */
  count(selection: Selection): number {
    const selects = selectsOf(selection);
    let n = 0;
    for (const { info } of this.#captures.values())
      if (selects({ netns: info.netns ?? '', interface: info.interface ?? '' })) n++;
    return n;
  }

  /** Why an interface is not captured; null: it is, or is being opened. */
  reasonNot(netns: FoundNetns, link: Interface): string | null {
    const key = `${netns.id}/${link.ifIndex}`;
    if (this.#byNetns.get(netns.id)?.has(link.ifIndex)) return null;
    if (!this.#isSelected(netns, link)) return 'not selected';
    if (!this.#isWanted(netns, link)) return 'it is down, and libpcap refuses that';
    return this.#retries.get(key)?.reason ?? 'about to be opened';
  }

  #isWanted(netns: FoundNetns, link: Interface): boolean {
    // libpcap refuses an interface that is down; a ring waits for it to come up.
    if (this.#options.backend === 'libpcap' && (link.flags & IFF_UP) === 0) return false;
    return this.#isSelected(netns, link);
  }

  #isSelected(netns: FoundNetns, link: Interface): boolean {
    const ruled = this.#rules.decide(netns.name, link.name);
    if (ruled !== null || this.#rules.brought(netns.id)) return ruled === true;
    return selectsInterface(this.#interfaces, link.name);
  }

  /** Another device that got the number of one that is gone may be of another kind. libpcap's link type is its own affair. */
  #isSameLayer({ info }: Capture, link: Interface): boolean {
    return info.source === 'libpcap' || info.linkType === linkLayerOf(link.arpType).linkType;
  }

  #open(links: LinkWatcher, link: Interface, key: string, engine: CaptureEngine): void {
    const usedMib = [...this.#captures.values()].reduce((sum, capture) => sum + capture.ringMib, 0);
    try {
      const { info, command, fds, ringMib, layer } = this.#opener.open(
        links,
        link,
        this.#nextIndex,
        usedMib,
        this.#gaps.get(key),
      );
      this.#add({ info, key, ringMib, layer, sinceMs: performance.now() });
      engine.send(command, fds, info.netnsId);
    } catch (error) {
      const fields = { netns: links.netns.name, interface: link.name };
      // Removed a moment ago: the kernel is about to tell.
      const isGone = error instanceof SyscallError && error.errno === ENODEV;
      this.#later(key, 'capture-failed', fields, (error as Error).message, isGone);
    }
  }

  /**
   * The same socket goes on under another number and name. A second one beside it would count packets twice while the first
   * is drained, and one after it would miss some.
   */
  #rename(capture: Capture, link: Interface, engine: CaptureEngine): void {
    const info = { ...capture.info, index: this.#nextIndex, interface: link.name };
    this.#forget(capture);
    this.#add({ ...capture, info });
    engine.send({ type: 'rename-capture', captureIndex: capture.info.index, capture: info }, [], null);
    this.#ended(capture, `interface renamed to ${link.name}`);
  }

  #add(capture: Capture): void {
    const { index, netnsId, ifIndex } = capture.info;
    this.#nextIndex = index + 1;
    this.#captures.set(index, capture);
    const others = this.#byNetns.get(netnsId!) ?? new Map<number, Capture>();
    this.#byNetns.set(netnsId!, others.set(ifIndex!, capture));
  }

  #remove(capture: Capture, reason: string, engine: CaptureEngine): void {
    engine.send({ type: 'remove-capture', captureIndex: capture.info.index, reason }, [], null);
    this.#forget(capture);
    this.#ended(capture, reason);
  }

  #ended(capture: Capture, reason: string): void {
    this.#log.info(
      { event: 'capture-ended', netns: capture.info.netns, interface: capture.info.interface, reason },
      `${capture.info.interface} in ${capture.info.netns}: ${reason}`,
    );
  }

  #forget(capture: Capture): void {
    const { index, netnsId, ifIndex } = capture.info;
    this.#captures.delete(index);
    const others = this.#byNetns.get(netnsId!);
    others?.delete(ifIndex!);
    if (others?.size === 0) this.#byNetns.delete(netnsId!);
  }

  /** Tells why a capture is not, and when it is tried again; the same reason is told once and then at debug only. */
  #later(
    key: string,
    event: string,
    fields: { netns: string | null; interface: string | null },
    reason: string,
    isGone = false,
  ): void {
    const before = this.#retries.get(key);
    const delayMs = Math.min(before === undefined ? RETRY_MS[0] : before.delayMs * 2, RETRY_MS[1]);
    this.#retries.set(key, { delayMs, atMs: performance.now() + delayMs, reason });
    const isUsual = before?.reason === reason || isGone;
    const level = isUsual ? 'debug' : 'warn';
    this.#log[level]({ event, ...fields, reason }, `${fields.interface} in ${fields.netns}: ${reason}`);
  }
}
