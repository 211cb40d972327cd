import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { corpusFiles, CORPUS, tally } from '../decoders/corpus.ts';

const DEMO = fileURLToPath(new URL('../../fixtures/demo/', import.meta.url));
/** Packets of a capture, and octets of each, that become inputs. */
const PACKETS_A_FILE = 20;
const OCTETS_MAX = 2000;

/** The first packets of the bundled captures, and of the shared ones where they are there. */
export async function corpusPackets(): Promise<Uint8Array[]> {
  const bundled = readdirSync(DEMO).filter((name) => name.endsWith('.pcap'));
  const files = [
    ...bundled.map((name) => join(DEMO, name)),
    ...corpusFiles().map((name) => join(CORPUS, name)),
  ];
  const packets: Uint8Array[] = [];
  for (const file of files) {
    let taken = 0;
    await tally(file, (f, view) => {
      if (taken++ >= PACKETS_A_FILE) return;
      const length = Math.min(f.capEnd - f.frameOff, OCTETS_MAX);
      packets.push(new Uint8Array(view.buffer, view.byteOffset + f.frameOff, length).slice());
    });
  }
  return packets;
}
