import { randomInt } from 'node:crypto';
import { CHECKPOINT_DEFAULT } from '../daemon/config.ts';
import { resolveMetering } from '../daemon/options/resolve.ts';
import type { GivenMetering } from '../daemon/options/spec.ts';
import { type ReplayTotals, replay } from '../daemon/replay.ts';
import type { RouteSnapshot } from '../daemon/routes/snapshot.ts';
import { clampNs, toNs } from '../storage/time.ts';
import { ensureDefaultDb } from './default-db.ts';
import { counted } from './format/count.ts';
import { formatTime } from './format/time.ts';
import { Interruption } from './interruption.ts';
import { writeLines } from './output.ts';
import type { ReplayComparison } from './replay-compare.ts';
import { ReplayProgressBar, warnOf } from './replay-progress.ts';
import { ScratchDatabase } from './scratch-database.ts';

/** Flags of `nstap replay` as they were given. */
export interface ReplayFlags extends GivenMetering {
  db?: string;
  routes?: string;
  rules?: string;
  addrs?: string;
  snapshot?: string;
  compare?: string;
  netns?: string;
  filter?: string;
  threads?: number;
  json?: boolean;
}

const LINKTYPE_ETHERNET = 1;
const SNAPLEN_MAX = 0x40000;

/**
 * Replays savefiles into the database and prints the totals; Ctrl-C stops reading and stores what was read.
 * @returns exit status: 1 when a file could not be read whole, 130 when interrupted
 */
export async function replayCommand(files: string[], flags: ReplayFlags): Promise<number> {
  const filter = flags.filter === undefined || flags.filter.trim() === '' ? null : flags.filter;
  // Nobody looks at a file's flows before its end; a pipe may never end.
  const metering = resolveMetering(flags, files.includes('-') ? CHECKPOINT_DEFAULT : 0);
  // A wrong expression, or no libpcap, is told before anything is read.
  if (filter !== null) {
    const { compileFilter } = await import('../daemon/kernel/libpcap.ts');
    compileFilter(filter, LINKTYPE_ETHERNET, SNAPLEN_MAX);
  }
  const { snapshot, other, comparing } = await loadRoutes(files, flags);
  const db = flags.db ?? ensureDefaultDb();
  const scratch = other === null ? null : new ScratchDatabase();
  const progress = new ReplayProgressBar(files.length);
  const interruption = new Interruption(() => {
    progress.close();
    scratch?.close();
  });
  const { signal } = interruption;
  // The same flows in both replays, also where fragments of many datagrams push each other out of their table.
  const seed = other === null ? {} : { seed: randomInt(2 ** 31) };
  const run = (to: string, routes: RouteSnapshot | null): Promise<ReplayTotals> =>
    replay({
      files,
      db: to,
      netns: flags.netns ?? snapshot?.netns ?? null,
      filter,
      snapshot: routes,
      ...metering,
      ...seed,
      threads: flags.threads ?? null,
      commandLine: ['nstap replay', ...files].join(' '),
      onProgress: (now) => progress.show(now),
      signal,
      onEnding: (stopped) => interruption.ending(stopped),
      onTrouble: (message) => process.stderr.write(`nstap: warning: ${message}\n`),
    });
  let comparison: ReplayComparison | null = null;
  try {
    const start = performance.now();
    const totals = await run(db, snapshot);
    const seconds = (performance.now() - start) / 1000;
    const isWhole = interruption.status === null;
    let trouble: Error | null = null;
    if (other !== null && scratch !== null && isWhole) {
      try {
        const again = await run(scratch.path, other);
        progress.close();
        comparison = new comparing!.ReplayComparison([db, scratch.path], [totals, again]);
        if (interruption.status === null) await comparison.read(signal);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        trouble = error;
      }
      if (signal.aborted) interruption.ending(true);
    }
    progress.close();
    warnOf(totals);
    const result = summary(files, totals, seconds);
    const isCompared = comparison !== null && trouble === null && !signal.aborted;
    const compared = isCompared ? comparison : null;
    await writeLines(
      flags.json
        ? jsonPieces(result, compared?.json(flags.snapshot ?? flags.routes!, flags.compare!) ?? null)
        : [text(result, db), ...(compared === null ? [] : ['\n', compared.text()])],
    );
    if (interruption.status !== null) {
      const what = isWhole
        ? 'the flows are stored, nothing is compared'
        : 'what was read until then is stored';
      process.stderr.write(`nstap: interrupted: ${what}\n`);
      return interruption.status;
    }
    if (trouble !== null) process.stderr.write(`nstap: ${flags.compare}: ${trouble.message}\n`);
    return totals.errors.length > 0 || trouble !== null ? 1 : 0;
  } finally {
    comparison?.close();
    progress.close();
    scratch?.close();
    interruption.close();
  }
}

/** What the flows' routes are decided by. Its modules take longer to load than the rest of the command. */
async function loadRoutes(files: string[], flags: ReplayFlags) {
  const { routes, rules, addrs, snapshot: path, compare } = flags;
  if ((routes ?? rules ?? addrs ?? path ?? compare) === undefined)
    return { snapshot: null, other: null, comparing: null };
  const { loadCompared, loadSnapshot } = await import('../daemon/routes/load-snapshot.ts');
  const snapshot = loadSnapshot(flags);
  if (compare === undefined) return { snapshot, other: null, comparing: null };
  const comparing = await import('./replay-compare.ts');
  comparing.checkComparable(files, snapshot);
  return { snapshot, other: loadCompared(compare, snapshot!), comparing };
}

/** The result as one JSON object. @param compare the value of its key `compare`, or null */
function* jsonPieces(result: object, compare: Iterable<string> | null): Iterable<string> {
  const json = JSON.stringify(result);
  if (compare === null) {
    yield `${json}\n`;
    return;
  }
  yield `${json.slice(0, -1)},"compare":`;
  yield* compare;
  yield '}\n';
}

/** The object of `replay --json`. */
function summary(files: string[], totals: ReplayTotals, seconds: number) {
  const c = totals.counters;
  // As they are stored: a pcapng file may hold times that no date can (year 586,524), which end at 2262.
  const time = (at: [number, number] | null): string | null =>
    at === null ? null : formatTime(clampNs(toNs(at[0], at[1])));
  return {
    files,
    packets: c.packets,
    bytes: c.bytes,
    first: time(totals.first),
    last: time(totals.last),
    flows: totals.flows,
    decoded: {
      ipv4: c.decodedIpv4,
      ipv6: c.decodedIpv6,
      arp: c.decodedArp,
      other: c.decodedOther,
      tcp: c.tcp,
      udp: c.udp,
      icmp: c.icmp,
      sctp: c.sctp,
      other_l4: c.otherL4,
    },
    undecoded: c.undecoded,
    truncated: c.truncated,
    fragments: c.fragments,
    tunnelled: c.tunnelled,
    tunnel_undecoded: c.tunnelUndecoded,
    filtered: totals.filtered,
    capture_drops: totals.dropped,
    evicted: c.evictedFlows,
    untracked: c.untrackedFlows,
    shed_hints: c.shedHints,
    errors: totals.errors,
    link_types: totals.linkTypes,
    elapsed_s: Math.round(seconds * 1000) / 1000,
    packets_per_s: Math.round(c.packets / seconds),
  };
}

function text(r: ReturnType<typeof summary>, db: string): string {
  const d = r.decoded;
  const count = (n: number): string => n.toLocaleString('en-US');
  const lines = [
    `${counted(r.packets, 'packet')}, ${counted(r.bytes, 'byte')}, ${counted(r.flows, 'flow')} in ${r.elapsed_s} s (${count(r.packets_per_s)} packets/s)`,
    `network    ipv4 ${count(d.ipv4)}  ipv6 ${count(d.ipv6)}  arp ${count(d.arp)}  other ${count(d.other)}  undecoded ${count(r.undecoded)}`,
    `transport  tcp ${count(d.tcp)}  udp ${count(d.udp)}  icmp ${count(d.icmp)}  sctp ${count(d.sctp)}  other ${count(d.other_l4)}`,
  ];
  if (r.first !== null) lines.push(`time       ${r.first} to ${r.last}`);
  if (r.truncated > 0)
    lines.push(`cut short  ${count(r.truncated)} packets were captured with fewer octets than on the wire`);
  if (r.tunnelled > 0)
    lines.push(
      `tunnels    ${count(r.tunnelled)} packets carried another one, ${count(r.tunnel_undecoded)} of them one that could not be followed`,
    );
  if (r.filtered > 0) lines.push(`filter     left out ${count(r.filtered)} packets`);
  if (r.evicted > 0)
    lines.push(`evicted    ${count(r.evicted)} flows ended early: the table was full (--max-flows)`);
  if (r.untracked > 0)
    lines.push(
      `untracked  ${count(r.untracked)} TCP flows have counts that are too low: too many had retransmissions at once (--max-flows)`,
    );
  if (r.shed_hints > 0)
    lines.push(`hints      of ${count(r.shed_hints)} flows are not kept: there were too many at once`);
  lines.push(`stored in  ${db}`);
  return `${lines.join('\n')}\n`;
}
