import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { POLLIN } from '../kernel/constants.ts';
import { withResource } from '../kernel/dispose.ts';
import { signalEvent, takeEvent } from '../kernel/eventfd.ts';
import { close } from '../kernel/libc.ts';
import { NetlinkSocket } from '../kernel/netlink-socket.ts';
import { PollSet } from '../kernel/poll.ts';
import { RouteAudit } from './audit.ts';
import { RouteMirror } from '../routes/mirror.ts';
import type {
  MirrorReply,
  MirrorRequest,
  MirrorThreadData,
  RouteCountsRequest,
  RouteSample,
  RoutesMessage,
} from './messages.ts';
import { Mirrored } from './mirrored.ts';
import { RouteCounts } from './counts.ts';
import { RouteJournal } from './journal.ts';
import { joinedLines, snapshotLines } from '../routes/snapshot-file.ts';
import type { RouteUpdate } from '../routes/update.ts';

/** Routes of a namespace that are listed for who asks: nobody else's are followed meanwhile, for some 0.2 s at the most. */
const LISTED_MAX = 50_000;

/** Follows the routes of every captured namespace; blocks in poll(2) over their netlink sockets. */
function main(data: MirrorThreadData, parent: MessagePort, poll: PollSet): void {
  const mirrored = new Map<string, Mirrored>();
  const journal = data.storage !== null && data.history ? new RouteJournal(data.storage) : null;
  const counts = data.storage === null ? null : new RouteCounts(tellCounts);
  const audit = new RouteAudit();
  let changed = true;
  let stopped = false;
  const reply = (message: MirrorReply): void => parent.postMessage(message);

  function tellCounts(request: RouteCountsRequest): void {
    data.storage?.postMessage(request);
    if (data.isWatched) reply({ type: 'counts', netnsId: request.netnsId, counts: request });
  }

  function toCapture(message: RoutesMessage, transfer: ArrayBuffer[]): void {
    const last = data.routes.length - 1;
    for (const [i, port] of data.routes.entries()) {
      // The last one gets the memory, those before it a copy.
      port.postMessage(message, i === last ? transfer : []);
      signalEvent(data.routesWakeFds[i]!);
    }
  }

  function tell(entry: Mirrored, update: RouteUpdate): void {
    const { netns, netnsId } = entry;
    journal?.add(netns, netnsId, update, entry.mirror);
    toCapture({ type: 'routes', netnsId, update }, [update.ops.buffer]);
    audit.changed(netnsId);
  }

  function add(netns: string, netnsId: string, fds: number[]): void {
    mirrored.get(netnsId)?.mirror.close();
    const [fd, ...settings] = fds;
    let mirror: RouteMirror;
    try {
      mirror = new RouteMirror(new NetlinkSocket(fd!), netns, settings);
    } catch (error) {
      for (const each of fds) close(each);
      reply({ type: 'loaded', netnsId, reason: (error as Error).message });
      return;
    }
    const entry: Mirrored = new Mirrored(netns, netnsId, mirror, (update) => tell(entry, update));
    mirrored.set(netnsId, entry);
    reply({ type: 'loaded', netnsId, reason: entry.load(performance.now()) });
  }

  function remove(netnsId: string): void {
    const entry = mirrored.get(netnsId);
    if (entry === undefined) return;
    counts?.end(entry, audit);
    entry.mirror.close();
    mirrored.delete(netnsId);
    journal?.remove(netnsId);
    audit.remove(netnsId);
    if (data.isWatched) reply({ type: 'removed', netnsId });
    changed = true;
  }

  function list(request: number, netnsId: string): MirrorReply {
    const answer = { type: 'listed' as const, netnsId, request, pieces: [] };
    const mirror = mirrored.get(netnsId)?.mirror;
    if (mirror === undefined) return { ...answer, reason: 'no routes are known of this namespace' };
    if (mirror.size > LISTED_MAX)
      return {
        ...answer,
        reason: `${mirror.size} routes, and at most ${LISTED_MAX} are listed here; \`nstap routes\` reads them from the kernel`,
      };
    try {
      return { ...answer, pieces: [...joinedLines(snapshotLines(mirror.snapshot()))], reason: null };
    } catch (error) {
      return { ...answer, reason: (error as Error).message };
    }
  }

  function handle(request: MirrorRequest): void {
    switch (request.type) {
      case 'add':
        add(request.netns, request.netnsId, request.fds);
        changed = true;
        break;
      case 'remove':
        remove(request.netnsId);
        toCapture({ type: 'remove-routes', netnsId: request.netnsId }, []);
        break;
      case 'list':
        reply(list(request.request, request.netnsId));
        break;
      case 'stop':
        stopped = true;
    }
  }

  function askSamples(port: MessagePort): void {
    for (let m = receiveMessageOnPort(port); m !== undefined; m = receiveMessageOnPort(port)) {
      const sample = m.message as RouteSample;
      const entry = mirrored.get(sample.netnsId);
      if (entry === undefined) continue;
      const disagreement = audit.ask(sample, entry.mirror);
      entry.notice(performance.now());
      if (disagreement !== null)
        reply({ type: 'disagreed', netns: entry.netns, netnsId: entry.netnsId, disagreement });
    }
  }

  function timeoutMs(): number {
    let until = Infinity;
    for (const entry of mirrored.values()) until = Math.min(until, entry.dueAtMs);
    return until === Infinity ? -1 : Math.max(0, Math.ceil(until - performance.now()));
  }

  function rebuild(): void {
    poll.clear();
    poll.add(data.wakeFd, POLLIN);
    for (const entry of mirrored.values())
      entry.pollIndex = entry.isBroken ? -1 : poll.add(entry.mirror.fd, POLLIN);
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
      const wasBroken = entry.isBroken;
      const isReady = entry.pollIndex >= 0 && poll.revents(entry.pollIndex) !== 0;
      const reason = entry.turn(nowMs, isReady, mirrored.size);
      if (reason !== null) reply({ type: 'failed', netnsId: entry.netnsId, reason });
      if (entry.isBroken !== wasBroken) changed = true;
    }
    for (const port of data.routes) askSamples(port);
    counts?.tick(nowMs, mirrored.values(), audit);
  }
  for (const { netnsId } of [...mirrored.values()]) remove(netnsId);
  data.storage?.postMessage({ type: 'close' });
  for (const port of data.routes) port.close();
  parent.close();
}

if (parentPort === null) throw new Error('mirror/thread.ts runs as a worker thread only');
const parent = parentPort;
withResource(new PollSet(), (poll) => main(workerData as MirrorThreadData, parent, poll));
