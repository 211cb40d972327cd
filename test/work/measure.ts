import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HEAP_FLAGS } from '../support/heap-flags.ts';
import type { Counted } from './counts.ts';

/** A count of work, which is the same on any machine, however busy. */
export interface WorkFigure {
  /** What is counted, of what: "heap octets a packet, live". */
  name: string;
  value: number;
  /** The bound: a little above what it was when the bound was written. */
  most: number;
  /** Where to look when it has risen. */
  look: string;
}

const COUNTING = ['--import', new URL('./count-calls.ts', import.meta.url).href];
/** Blocks that are ready each time that the loop turns. */
const CALM = 1;
const BUSY = 16;

const LOOK_HEAP =
  'an object, a closure, a BigInt or a number that is no small integer for each packet; `node --sampling-heap-profiler` or `--trace-deopt` on the script finds it';
const LOOK_FFI = 'calls of functions of daemon/kernel in daemon/capture/live-loop.ts and in what it calls';
const LOOK_STATEMENTS = 'statements that storage/writer.ts and storage/writer-channel.ts run';

/** Counts the work of the path from packet to database. @throws Error when what is counted did not do its work */
export function measureWork(): WorkFigure[] {
  return [...heapFigures(), ...callFigures(), ...statementFigures()];
}

/** Octets of heap for each packet: decoders, flow table, TCP analysis, routes and records, behind a ring and behind a file. */
export function heapFigures(): WorkFigure[] {
  const calm = run('live-child.ts', HEAP_FLAGS, String(CALM));
  const busy = run('live-child.ts', HEAP_FLAGS, String(BUSY));
  const file = run('file-child.ts', HEAP_FLAGS);
  for (const { heap } of [calm, busy, file]) counted('octets of heap', heap, 1); // looking takes some
  counted('reads of the file', file.reads, 1);
  return [
    {
      name: 'heap octets a packet, live, one block a turn',
      value: perPacket(calm, 'heap'),
      most: 2.5,
      look: LOOK_HEAP,
    },
    {
      name: 'heap octets a packet, live, sixteen blocks a turn',
      value: perPacket(busy, 'heap'),
      most: 0.5,
      look: LOOK_HEAP,
    },
    { name: 'heap octets a packet, replay', value: perPacket(file, 'heap'), most: 0.5, look: LOOK_HEAP },
    {
      name: 'reads of the file for 1,000 packets',
      value: perPacket(file, 'reads') * 1000,
      most: 0.3,
      look: 'CHUNK_LEN_DEFAULT of decoders/savefile.ts, and that a chunk is read once',
    },
  ];
}

/** Calls of C functions, and system calls, that packets cost. */
export function callFigures(): WorkFigure[] {
  const calm = run('live-child.ts', COUNTING, String(CALM));
  const busy = run('live-child.ts', COUNTING, String(BUSY));
  const { short, long } = run<{ short: ReplayCost; long: ReplayCost }>('replay-child.ts', COUNTING);
  counted('calls of C functions', calm.ffi, calm.blocks); // one poll a turn
  counted('flows inserted', long.insertFlow, long.flows);
  const packets = long.packets - short.packets;
  const calls = long.reads + long.writes - short.reads - short.writes;
  return [
    {
      name: 'calls of C functions a block, one block a turn',
      value: calm.ffi / calm.blocks,
      most: 3.1,
      look: LOOK_FFI,
    },
    {
      name: 'calls of C functions a block, sixteen blocks a turn',
      value: busy.ffi / busy.blocks,
      most: 0.2,
      look: LOOK_FFI,
    },
    { name: 'calls of C functions in a replay', value: long.ffi, most: 0, look: LOOK_FFI },
    {
      // Pages of the database are among them, and those of its log are copied sooner or later: 0.4 to 2.
      name: 'read and write system calls for 1,000 packets, replay',
      value: (calls / packets) * 1000,
      most: 4,
      look: 'what reads the file, and the size and number of commits: `strace -f -c -e trace=read,write,pread64,pwrite64 nstap replay …`',
    },
    {
      name: 'flows inserted for each flow, replay',
      value: long.insertFlow / long.flows,
      most: 1,
      look: LOOK_STATEMENTS,
    },
    {
      // 24 seconds of packets: two checkpoints.
      name: 'updates of each flow, replay with two checkpoints',
      value: long.updateFlow / long.flows,
      most: 2,
      look: `checkpoints of daemon/flow/table.ts, and ${LOOK_STATEMENTS}`,
    },
  ];
}

/** SQLite statements for flows and for commits, in one file and in partitions. */
export function statementFigures(): WorkFigure[] {
  return (['replay', 'daemon'] as const).flatMap((kind) => {
    const { flows, ...spent } = run<StatementCost>('statements-child.ts', COUNTING, kind);
    counted('flows inserted', spent.added.insertFlow, flows);
    counted('flows updated', spent.again.updateFlow, flows);
    const figure = (name: string, value: number, most: number): WorkFigure => ({
      name: `${name}, ${kind}`,
      value,
      most,
      look: LOOK_STATEMENTS,
    });
    return [
      figure('statements for 1,000 new flows in a commit', (total(spent.added) * 1000) / flows, 1005),
      figure('statements for 1,000 flows again in a commit', (total(spent.again) * 1000) / flows, 1003),
      figure('statements of a commit with counters alone', total(spent.counters), 5),
    ];
  });
}

interface PacketCost {
  packets: number;
  flows: number;
  heap: number;
  reads: number;
  blocks: number;
  ffi: number;
}

interface ReplayCost extends Record<Counted, number> {
  packets: number;
  flows: number;
  reads: number;
  writes: number;
}

type Spent = Record<'added' | 'again' | 'counters', Record<Counted, number>>;
type StatementCost = { flows: number } & Spent;

function total(spent: Record<Counted, number>): number {
  return Object.values(spent).reduce((sum, n) => sum + n, 0);
}

/** A counter that no longer counts would be below every bound. */
function counted(what: string, value: number, least: number): void {
  if (!(value >= least))
    throw new Error(
      `work: ${value} ${what} were counted, and there are ${least} at least: the count is wrong`,
    );
}

function perPacket(cost: PacketCost, what: 'heap' | 'reads'): number {
  counted('packets', cost.packets, 100_000);
  return cost[what] / cost.packets;
}

/** Runs a script of this folder in a process of its own. @returns what it printed as JSON */
function run<T = PacketCost>(script: string, flags: string[], ...words: string[]): T {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, path, ...words], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`work: ${script} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
