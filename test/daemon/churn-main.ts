// `npm run churn [-- NAMESPACES FLAPS]`: makes and deletes namespaces, 200 at a time, and takes a link down and up, under a
// running daemon; prints what supervisor and engine hold before, between and after. Needs root.
import { openForReading } from '../../storage/database.ts';
import { labMissing } from '../kernel/lab.ts';
import { Churn, type Held, held, PACKETS_EACH, TOTALS, type Totals } from './churn.ts';
import { DaemonLab } from './daemon-lab.ts';

const AT_ONCE = 200;

function line(what: string, now: Held): string {
  return (
    `${what.padEnd(34)} supervisor ${now.supervisorFds} descriptors ${now.supervisorMib} MiB,` +
    ` engine ${now.engineFds} descriptors ${now.engineMib} MiB\n`
  );
}

async function main(namespaces: number, flaps: number): Promise<void> {
  const lab = new DaemonLab('churn');
  const print = (text: string): boolean => process.stdout.write(text);
  try {
    const churn = new Churn(lab, 1);
    const flapping = lab.add('flap');
    lab.veth(flapping, 'v0', null, lab.add('peer'), 'v0', null);
    const { d, db } = lab.daemon(
      { netns: [churn.pattern, flapping], interfaces: ['v0'], filter: 'udp port 4000' },
      'real',
    );
    await d.until('the link is captured', () => d.events('capture-opened').length === 1);
    print(line('before', held(d)));
    for (let done = 0; done < namespaces; ) {
      const count = Math.min(AT_ONCE, namespaces - done);
      const freedMs = await churn.round(d, count);
      done += count;
      print(line(`${done} namespaces, freed in ${Math.round(freedMs)} ms`, held(d)));
    }
    churn.flap(flapping, 'v0', flaps);
    print(line(`${flaps} flaps`, held(d)));
    const status = await d.end();
    const reader = openForReading(db);
    try {
      for (const [what, pattern, sent] of [
        ['namespaces', churn.pattern, namespaces * PACKETS_EACH],
        ['flaps', flapping, flaps * PACKETS_EACH],
      ] as const) {
        const { captures, packets, accounted, drops } = reader.prepare(TOTALS).get(pattern) as Totals;
        const text = `${captures} captures, ${packets} packets, ${accounted} accounted for, ${drops} dropped`;
        print(`${what}: ${sent} packets sent; ${text}\n`);
        if (packets + drops !== sent || packets !== accounted) process.exitCode = 1;
      }
    } finally {
      reader.close();
    }
    if (status !== 0) process.exitCode = 1;
  } finally {
    await lab.endDaemon();
    lab.close();
  }
}

const missing = labMissing();
if (missing !== null) {
  process.stderr.write(`churn: ${missing}\n`);
  process.exitCode = 1;
} else {
  const [namespaces, flaps] = process.argv.slice(2).map(Number);
  await main(namespaces ?? 1000, flaps ?? 1000);
}
