import { closeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { signalEvent } from '../../daemon/kernel/eventfd.ts';
import type { MirrorRequest, MirrorThreadData } from '../../daemon/mirror/messages.ts';

const data = workerData as MirrorThreadData;
const open = new Map<string, number[]>();

// A mirror that says "loaded" and knows no route: for tests of everything around it.
parentPort!.on('message', (request: MirrorRequest) => {
  if (request.type === 'stop') parentPort!.close();
  else if (request.type === 'add') {
    open.set(request.netnsId, request.fds);
    data.routes[0]!.postMessage({ type: 'routes', netnsId: request.netnsId, update: null });
    signalEvent(data.routesWakeFds[0]!);
    parentPort!.postMessage({ type: 'loaded', netnsId: request.netnsId, reason: null });
  } else {
    for (const fd of open.get(request.netnsId) ?? []) closeSync(fd);
    open.delete(request.netnsId);
    data.routes[0]!.postMessage({ type: 'remove-routes', netnsId: request.netnsId });
    signalEvent(data.routesWakeFds[0]!);
  }
});
