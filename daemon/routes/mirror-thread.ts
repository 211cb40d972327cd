import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { POLLIN } from '../kernel/constants.ts';
import { withResource } from '../kernel/dispose.ts';
import { signalEvent, takeEvent } from '../kernel/eventfd.ts';
import { close } from '../kernel/libc.ts';
import { NetlinkSocket } from '../kernel/netlink-socket.ts';
import { PollSet } from '../kernel/poll.ts';
import { RouteMirror } from './mirror.ts';

/**
 * Changes are gathered this long before a snapshot is made of them: `ip route replace` in a loop, or a routing daemon
 * that starts, makes thousands of changes in a row, and each snapshot is a copy of all routes.
 */
const DEBOUNCE_MS = 20;
/** A mirror whose socket or dump failed is loaded anew after this time. */
const RETRY_MS = 1000;

/** workerData of the mirror thread. */
export interface MirrorThreadData {
  /** eventfd that wakes this thread after a message was posted to it. */
  wakeFd: number;
  /** Takes `{ type: 'routes', netnsId, snapshot }`: the capture thread. */
  routes: MessagePort;
  /** eventfd that wakes the capture thread. */
  routesWakeFd: number;
}

/** To the mirror thread. */
export type MirrorRequest =
  /** @param fd NETLINK_ROUTE socket inside the namespace; owned by the thread from now on */
  | { type: 'add'; netns: string; netnsId: string; fd: number }
  /** The namespace is gone: close everything in it. */
  | { type: 'remove'; netnsId: string }
  | { type: 'stop' };

/** From the mirror thread. */
export type MirrorReply =
  /** The first snapshot is on its way to the capture thread, or there will be none for now (`reason`). */
  | { type: 'loaded'; netnsId: string; reason: string | null }
  | { type: 'failed'; netnsId: string; reason: string }
  | { type: 'removed'; netnsId: string };

interface Mirrored {
  readonly netns: string;
  readonly netnsId: string;
  readonly mirror: RouteMirror;
  pollIndex: number;
  /** When to send a snapshot, in performance.now() time; Infinity while nothing changed. */
  sendAtMs: number;
  /** When to load anew; Infinity while all is well. */
  reloadAtMs: number;
}

/** Follows the routes of every captured namespace; blocks in poll(2) over their netlink sockets. */
function main(data: MirrorThreadData, parent: MessagePort, poll: PollSet): void {
  const mirrored = new Map<string, Mirrored>();
  let changed = true;
  let stopped = false;
  const reply = (message: MirrorReply): void => parent.postMessage(message);

  function send(entry: Mirrored): void {
    entry.sendAtMs = Infinity;
    data.routes.postMessage({ type: 'routes', netnsId: entry.netnsId, snapshot: entry.mirror.snapshot() });
    signalEvent(data.routesWakeFd);
  }

  /** Runs one step of a mirror; a failure is told, and the mirror loaded anew later. */
  function attempt(entry: Mirrored, step: () => void): string | null {
    try {
      step();
      return null;
    } catch (error) {
      entry.sendAtMs = Infinity;
      entry.reloadAtMs = performance.now() + RETRY_MS;
      changed = true;
      return (error as Error).message;
    }
  }

  function load(entry: Mirrored): string | null {
    entry.reloadAtMs = Infinity;
    changed = true;
    return attempt(entry, () => {
      entry.mirror.load();
      send(entry);
    });
  }

  function add(netns: string, netnsId: string, fd: number): void {
    let mirror: RouteMirror;
    try {
      mirror = new RouteMirror(new NetlinkSocket(fd), netns);
    } catch (error) {
      close(fd);
      reply({ type: 'loaded', netnsId, reason: (error as Error).message });
      return;
    }
    mirrored.get(netnsId)?.mirror.close();
    const entry = { netns, netnsId, mirror, pollIndex: -1, sendAtMs: Infinity, reloadAtMs: Infinity };
    mirrored.set(netnsId, entry);
    reply({ type: 'loaded', netnsId, reason: load(entry) });
  }

  function handle(request: MirrorRequest): void {
    switch (request.type) {
      case 'add':
        add(request.netns, request.netnsId, request.fd);
        break;
      case 'remove':
        mirrored.get(request.netnsId)?.mirror.close();
        mirrored.delete(request.netnsId);
        changed = true;
        reply({ type: 'removed', netnsId: request.netnsId });
        break;
      case 'stop':
        stopped = true;
    }
  }

  function timeoutMs(): number {
    let until = Infinity;
    for (const entry of mirrored.values()) until = Math.min(until, entry.sendAtMs, entry.reloadAtMs);
    return until === Infinity ? -1 : Math.max(0, Math.ceil(until - performance.now()));
  }

  function rebuild(): void {
    poll.clear();
    poll.add(data.wakeFd, POLLIN);
    for (const entry of mirrored.values()) {
      // A broken socket would report its error at once and for ever; it is left out until it is loaded anew.
      entry.pollIndex = entry.reloadAtMs === Infinity ? poll.add(entry.mirror.fd, POLLIN) : -1;
    }
    changed = false;
  }

  while (!stopped) {
    if (changed) rebuild();
    poll.wait(timeoutMs());
    if (poll.revents(0) !== 0 && takeEvent(data.wakeFd)) {
      for (let m = receiveMessageOnPort(parent); m !== undefined; m = receiveMessageOnPort(parent))
        handle(m.message as MirrorRequest);
    }
    const nowMs = performance.now();
    for (const entry of mirrored.values()) {
      let reason: string | null = null;
      if (nowMs >= entry.reloadAtMs) reason = load(entry);
      else if (entry.pollIndex >= 0 && poll.revents(entry.pollIndex) !== 0)
        reason = attempt(entry, () => {
          if (entry.mirror.drain() && entry.sendAtMs === Infinity) entry.sendAtMs = nowMs + DEBOUNCE_MS;
        });
      if (reason === null && nowMs >= entry.sendAtMs) reason = attempt(entry, () => send(entry));
      if (reason !== null) reply({ type: 'failed', netnsId: entry.netnsId, reason });
    }
  }
  for (const entry of mirrored.values()) entry.mirror.close();
  parent.close();
}

if (parentPort === null) throw new Error('mirror-thread.ts runs as a worker thread only');
const parent = parentPort;
withResource(new PollSet(), (poll) => main(workerData as MirrorThreadData, parent, poll));
