// npm run hints -- FOLDER [OUT]: has tshark read every capture of FOLDER (one with truth/) and writes what it found of names, by file.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { corpus, ENDPOINT_FIELDS } from '../support/truth.ts';

/** What is asked of tshark, by the key that our hints have it under. */
const FIELDS = {
  dns: 'dns.qry.name',
  tls: 'tls.handshake.extensions_server_name',
  http: 'http.host',
  ssh: 'ssh.protocol',
} as const;

/** [protocol number, source, port, destination, port, kind, value]: the first of each flow and kind; SSH: of each direction. */
export type HintTruth = [number, string, number, string, number, keyof typeof FIELDS, string];

/** tshark's names of one capture; null when it cannot read it. */
async function tsharkHints(file: string): Promise<HintTruth[] | null> {
  const fields = [...ENDPOINT_FIELDS, ...Object.values(FIELDS)];
  const args = [
    '-n',
    '-r',
    file,
    '-Y',
    Object.values(FIELDS).join(' || '),
    '-T',
    'fields',
    '-E',
    'separator=\u0001',
  ];
  args.push('-E', 'occurrence=a', '-E', 'aggregator=\u0002', ...fields.flatMap((field) => ['-e', field]));
  let stdout: string;
  try {
    ({ stdout } = await promisify(execFile)('tshark', args, { maxBuffer: 1 << 28 }));
  } catch (error) {
    stdout = (error as { stdout?: string }).stdout ?? ''; // damaged: what came before counts
    if (stdout === '') return null;
  }
  const found = new Map<string, HintTruth>();
  for (const line of stdout.split('\n')) {
    const cells = line.split('\u0001');
    if (cells.length < fields.length) continue;
    const [src4, dst4, src6, dst6, tcpSrc, tcpDst, udpSrc, udpDst] = cells as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const [src, dst] = [src4 || src6, dst4 || dst6];
    // Of a packet within another one the flow is that of the outer one: tunnels, and ICMP errors.
    if ((src4 !== '' && src6 !== '') || src.includes('\u0002') || (tcpSrc !== '' && udpSrc !== '')) continue;
    const [sport, dport] = [tcpSrc || udpSrc, tcpDst || udpDst];
    if (src === '' || sport === '' || sport.includes('\u0002')) continue;
    for (const [i, kind] of Object.keys(FIELDS).entries()) {
      const value = cells[ENDPOINT_FIELDS.length + i]!.split('\u0002')[0]!;
      if (value === '') continue;
      const proto = tcpSrc !== '' ? 6 : 17;
      const ends = [`${src} ${sport}`, `${dst} ${dport}`];
      const key = [proto, ...(kind === 'ssh' ? ends : ends.sort()), kind].join(' ');
      if (!found.has(key))
        found.set(key, [proto, src, Number(sport), dst, Number(dport), kind as keyof typeof FIELDS, value]);
    }
  }
  return [...found.values()];
}

const [folder, out = fileURLToPath(new URL('../../fixtures/hints-corpus.json', import.meta.url))] =
  process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: npm run hints -- FOLDER [OUT]\n');
  process.exit(2);
}
const lines: string[] = [];
for (const { name, path } of corpus(resolve(folder))) {
  const hints = await tsharkHints(path);
  if (hints !== null && hints.length > 0)
    lines.push(`${JSON.stringify(name)}: [\n${hints.map((hint) => JSON.stringify(hint)).join(',\n')}\n]`);
}
writeFileSync(out, `{\n${lines.join(',\n')}\n}\n`);
process.stdout.write(`${lines.length} captures with names written to ${out}\n`);
