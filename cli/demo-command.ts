import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readCaptures } from '../storage/captures.ts';
import { openForReading } from '../storage/database.ts';
import { ADDRESS, LAB, Lab, labObstacle, POLICY } from './demo/lab.ts';
import { DemoDaemon, runNstap } from './demo/program.ts';
import { fetchFrom, ping, Servers, sendUdp } from './demo/traffic.ts';
import { ENDING_SIGNALS } from './interruptible.ts';

/** Capture counters reach the database every second. */
const COUNTERS_MS = 1500;
/** More than a signal takes to be heard once the event loop turns. */
const SIGNAL_MS = 20;
const say = (line = ''): void => void process.stdout.write(`${line}\n`);

/** The demo: the lab where possible, else a replay of what was recorded in it. @returns exit status */
export async function demoCommand(): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-demo-'));
  const db = join(scratch, 'flows.db');
  try {
    const obstacle = labObstacle();
    if (obstacle === null) await inLab(scratch, db);
    else replayed(obstacle, db);
    return 0;
  } catch (error) {
    // Ctrl-C reaches a program that is being waited for, and this one: its own signal is the better reason.
    await sleep(SIGNAL_MS);
    throw error;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The bundled recording of the client's namespace, with its routes and rules as `ip` printed them. */
function replayed(obstacle: string, db: string): void {
  const bundled = (name: string): string => {
    const beside = fileURLToPath(new URL(`../fixtures/demo/${name}`, import.meta.url));
    return beside.replace('/dist/fixtures/', '/fixtures/');
  };
  say(`No lab here: ${obstacle}. Namespaces need root: sudo npx nstap demo`);
  say("Replaying instead what was recorded in the lab's client, with its routes and rules:");
  say();
  const routing = ['--routes', bundled('client.routes'), '--rules', bundled('client.rules')];
  runNstap(['replay', '--db', db, '--netns', LAB.client, ...routing, bundled('client.pcap')]);
  say();
  runNstap(['flows', '--db', db, '--sort', '+start', 'ip']);
}

async function inLab(scratch: string, db: string): Promise<void> {
  chmodSync(scratch, 0o777); // the engine is not root and writes its database here
  const lab = new Lab();
  const servers = new Servers();
  let daemon: DemoDaemon | null = null;
  const cleanUp = (): void => {
    servers[Symbol.dispose]();
    daemon?.[Symbol.dispose]();
    lab[Symbol.dispose]();
  };
  for (const signal of ENDING_SIGNALS) {
    process.once(signal, () => {
      cleanUp();
      rmSync(scratch, { recursive: true, force: true });
      process.exit(128 + constants.signals[signal]);
    });
  }
  try {
    say('A lab of namespaces: client -- router -- server, and one that stands alone.');
    lab.build();
    const netns = Object.values(LAB).flatMap((name) => ['--netns', name]);
    daemon = new DemoDaemon([...netns, '--db', db, '--ring-mib', '4']);
    lab.note(daemon.pid);
    await daemon.capturing(INTERFACES);
    await beginner(lab, servers, db);
    await throughRouter(servers);
    await daemon.stop();
  } finally {
    cleanUp();
  }
  say();
  say(
    'The flows, each as one namespace saw it, with the decision of its route table (IPv4 only; `nstap flows`):',
  );
  say();
  runNstap(['flows', '--db', db, '--sort', '+start', '--limit', '0', 'ip']);
  say();
  say('What the routers of the story decided (`nstap flows route verdict drop`, and `route table 100`):');
  say();
  runNstap(['flows', '--db', db, 'ip and route verdict drop']);
  runNstap(['flows', '--db', db, `ip and route table ${POLICY.table}`]);
  losses(db);
}

/** lo in each of four namespaces, and both ends of three veth pairs. */
const INTERFACES = 4 + 6;

/** A server on 0.0.0.0 in a namespace without interfaces gets no packet; `lo` up, and it works. */
async function beginner(lab: Lab, servers: Servers, db: string): Promise<void> {
  say();
  say(`1. In ${LAB.alone}, a server listens on 0.0.0.0:8900. Its lo is down.`);
  await servers.http(LAB.alone);
  say(`   GET http://127.0.0.1:8900/ -> ${await fetchFrom(LAB.alone, '127.0.0.1', null)}`);
  say(`   nstap on lo: ${await packetsOnLo(db)} packets. No address, no local route, nothing to deliver.`);
  say('2. ip link set lo up');
  lab.bringLoopbackUp();
  say(`   GET http://127.0.0.1:8900/ -> ${await fetchFrom(LAB.alone, '127.0.0.1', null)}`);
  say(`   nstap on lo: ${await packetsOnLo(db)} packets, route type local.`);
}

async function packetsOnLo(db: string): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, COUNTERS_MS));
  const database = openForReading(db);
  try {
    const lo = readCaptures(database).find((row) => row.netns === LAB.alone && row.interface === 'lo');
    if (lo === undefined) throw new Error('the database has no capture of lo');
    return lo.packets;
  } finally {
    database.close();
  }
}

async function throughRouter(servers: Servers): Promise<void> {
  const { client, clientSlow, server, nowhere } = ADDRESS;
  await servers.http(LAB.server);
  await servers.udpEcho(LAB.server);
  say('3. Through the router: TCP, UDP, ICMP; then by the policy rule; then into the blackhole.');
  say(`   tcp  ${client} -> ${server}:8900   ${await fetchFrom(LAB.client, server, client)}`);
  say(
    `   tcp  ${clientSlow} -> ${server}:8900   ${await fetchFrom(LAB.client, server, clientSlow)} (rule ${POLICY.preference}, table ${POLICY.table})`,
  );
  say(`   udp  ${client} -> ${server}:5353   ${await sendUdp(LAB.client, server, 5353)}`);
  say(
    `   udp  ${client} -> ${server}:9      ${await sendUdp(LAB.client, server, 9)} (ICMP port unreachable)`,
  );
  const pinged = await ping(LAB.client, server);
  say(
    `   icmp ${client} -> ${server}        ${pinged ? 'answered' : 'not sent: there is no ping here (package iputils-ping)'}`,
  );
  say(
    `   udp  ${client} -> ${nowhere}:9     ${await sendUdp(LAB.client, nowhere, 9)} (blackhole in the router)`,
  );
}

function losses(db: string): void {
  const database = openForReading(db);
  try {
    const rows = readCaptures(database);
    const sum = (count: (row: (typeof rows)[number]) => number): number =>
      rows.reduce((n, row) => n + count(row), 0);
    say();
    say(
      `${sum((r) => r.packets)} packets on ${rows.length} interfaces; undecodable ${sum((r) => r.undecoded)}, ` +
        `dropped by the kernel ${sum((r) => r.kernelDrops)}. The namespaces are gone again.`,
    );
  } finally {
    database.close();
  }
}
