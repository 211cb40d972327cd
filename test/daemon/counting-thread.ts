import { writeFileSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { CaptureReply, CaptureRequest } from '../../daemon/capture/capture-messages.ts';
import { LiveLoop } from '../../daemon/capture/live-loop.ts';
import { openSource } from '../../daemon/capture/open-source.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import type { CaptureInfo } from '../../storage/messages.ts';

/** What the thread writes to `<db>.json` twenty times a second: one entry a capture that was ever opened. */
export interface Counted {
  pid: number;
  uid: number;
  stopped: boolean;
  /** Capability lines of /proc/thread-self/status are added by the test engine. */
  captures: { info: CaptureInfo; packets: number; bytes: number; duplicates: number; ended: string | null }[];
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
    tick: write,
    work: () => false,
    wake() {
      for (const port of [requests, parent])
        for (let m = receiveMessageOnPort(port); m !== undefined; m = receiveMessageOnPort(port))
          handle(m.message as CaptureRequest);
    },
    ended(captureIndex, source, reason) {
      counted.captures[captureIndex]!.ended = reason;
      counted.captures[captureIndex]!.duplicates = source.duplicates;
      write();
      reply({ type: 'ended', captureIndex, reason });
    },
  });

  function handle(request: CaptureRequest): void {
    if (request.type === 'routes') counted.routes.push(request.netnsId);
    else if (request.type === 'remove') loop.remove(request.captureIndex, request.reason);
    else if (request.type === 'stop') loop.stop('stopped');
    else if (request.type === 'add') {
      const { index } = request.capture;
      try {
        const { source, linkType } = openSource(request.capture, request.open);
        const info = { ...request.capture, linkType };
        counted.captures[index] = { info, packets: 0, bytes: 0, duplicates: 0, ended: null };
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
