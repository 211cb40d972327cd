import { writeFileSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { CaptureReply, CaptureRequest } from '../../daemon/capture/capture-messages.ts';
import { LiveLoop } from '../../daemon/capture/live-loop.ts';
import type { LiveSource } from '../../daemon/capture/packet-source.ts';
import { openSource } from '../../daemon/capture/open-source.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import type { CaptureInfo } from '../../storage/messages.ts';

/** What the thread writes to `<db>.json` twenty times a second: one entry a capture that was ever opened. */
export interface Counted {
  pid: number;
  uid: number;
  stopped: boolean;
  /** Capability lines of /proc/thread-self/status are added by the test engine. */
  captures: {
    info: CaptureInfo;
    packets: number;
    bytes: number;
    duplicates: number;
    /** As the kernel counts them, see SourceStats; read at the end of the capture. */
    received: number;
    drops: number;
    ended: string | null;
  }[];
  /** Namespaces that routes came for. */
  routes: string[];
}

interface Data {
  file: string;
  wakeFd: number;
  requests: MessagePort;
}

/** A capture thread that counts packets and writes the numbers to a file: for tests of everything around it. */
function main({ file, wakeFd, requests }: Data, parent: MessagePort): void {
  const counted: Counted = {
    pid: process.pid,
    uid: process.getuid!(),
    stopped: false,
    captures: [],
    routes: [],
  };
  const reply = (message: CaptureReply): void => parent.postMessage(message);
  const closeFd = (fd: number): void => reply({ type: 'close', fd });
  const write = (): void => writeFileSync(file, JSON.stringify(counted));
  const fields = new PacketFields();
  const sink = {
    fields,
    packet(): void {
      const capture = counted.captures[fields.captureIndex]!;
      capture.packets++;
      capture.bytes += fields.wireLen;
    },
  };
  const loop = new LiveLoop(wakeFd, sink, {
    tick() {
      write();
      reply({ type: 'alive' });
    },
    isWaiting: () => false,
    work: () => false,
    wake() {
      for (const port of [requests, parent])
        for (let m = receiveMessageOnPort(port); m !== undefined; m = receiveMessageOnPort(port))
          handle(m.message as CaptureRequest);
    },
    ended(captureIndex, source, reason) {
      ended(captureIndex, source, reason);
      write();
      reply({ type: 'ended', captureIndex, reason });
    },
  });

  function ended(captureIndex: number, source: LiveSource, reason: string): void {
    const { received, drops } = source.stats();
    Object.assign(counted.captures[captureIndex]!, {
      received,
      drops,
      duplicates: source.duplicates,
      ended: reason,
    });
  }

  function begin(info: CaptureInfo): void {
    counted.captures[info.index] = {
      info,
      packets: 0,
      bytes: 0,
      duplicates: 0,
      received: 0,
      drops: 0,
      ended: null,
    };
  }

  function rename(captureIndex: number, capture: CaptureInfo): void {
    const source = loop.source(captureIndex);
    if (source === undefined) {
      reply({ type: 'failed', captureIndex: capture.index, reason: 'it has ended by itself' });
      return;
    }
    const { linkType } = counted.captures[captureIndex]!.info;
    ended(captureIndex, source, `renamed to ${capture.interface}`);
    begin({ ...capture, linkType });
    loop.rename(captureIndex, capture.index);
    reply({ type: 'opened', captureIndex: capture.index, linkType });
  }

  function handle(request: CaptureRequest): void {
    if (request.type === 'routes') counted.routes.push(request.netnsId);
    else if (request.type === 'remove') loop.remove(request.captureIndex, request.reason);
    else if (request.type === 'rename') rename(request.captureIndex, request.capture);
    else if (request.type === 'stop') loop.stop('stopped');
    else if (request.type === 'add') {
      const { index } = request.capture;
      try {
        const { source, linkType } = openSource(request.capture, request.open, closeFd);
        begin({ ...request.capture, linkType });
        loop.add(index, source);
        reply({ type: 'opened', captureIndex: index, linkType });
      } catch (error) {
        reply({ type: 'failed', captureIndex: index, reason: (error as Error).message });
      }
    }
  }

  loop.run();
  counted.stopped = true;
  write();
  reply({ type: 'stopped' });
  parent.close();
}

main(workerData as Data, parentPort!);
