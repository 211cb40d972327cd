import { median } from './support.ts';

/** Options of `npm run bench`, given to every part. */
export interface BenchOptions {
  /** Sizes of a tenth, and few rounds: to see that all works. */
  quick?: boolean;
  /** Keep captures and databases of more than 3 GB after their part. */
  keep?: boolean;
  /** Flows in the largest database of `scale` and `query`; 10 million when left out. */
  flows?: string;
  /** Of what is fast in `query`. */
  rounds?: string;
  /** Where databases are kept from run to run. */
  folder?: string;
}

/** One measured figure. */
export interface Row {
  /** Names it from run to run, "replay.tcpdump"; goals refer to it. */
  id: string;
  what: string;
  unit: string;
  median: number;
  least: number;
  most: number;
  rounds: number;
}

/** One point of a curve; a later run replaces the point with the same `x`. */
export interface Point {
  curve: string;
  /** On the horizontal axis. */
  x: number;
  values: Record<string, number>;
}

/** A point with where it comes from. */
export interface DatedPoint extends Point {
  date: string;
  commit: string;
}

/** What a part has to tell, apart from what it prints. */
export class Report {
  readonly rows: Row[] = [];
  readonly points: Point[] = [];
  /** What is missing or differs from what was asked: a sentence each. */
  readonly notes: string[] = [];
  /** Where the time goes, a line each. */
  readonly profile: string[] = [];

  /** @param values one a round; none: nothing is kept */
  row(id: string, what: string, unit: string, values: readonly number[]): void {
    if (values.length === 0) return;
    this.rows.push({
      id,
      what,
      unit,
      median: median([...values]),
      least: Math.min(...values),
      most: Math.max(...values),
      rounds: values.length,
    });
  }

  point(curve: string, x: number, values: Record<string, number>): void {
    this.points.push({ curve, x, values });
  }

  /** Keeps a note, and prints it. */
  note(text: string): void {
    this.notes.push(text);
    process.stdout.write(`${text}\n`);
  }
}

/** What one part brought. */
export interface PartOutcome {
  part: string;
  seconds: number;
  /** Why it did not end well; null when it did. */
  error: string | null;
  rows: Row[];
  points: Point[];
  notes: string[];
  profile: string[];
  /** Date and commit, where they are not those of the run around it. */
  of?: string;
}

/** The machine that a run was made on. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGib: number;
  kernel: string;
  node: string;
  commit: string;
  date: string;
  /** Load averages of 1, 5 and 15 minutes at the start. */
  load: number[];
}

/** A whole run, as it is in docs/performance.json. */
export interface Results {
  machine: Machine;
  /** Versions of the programs beside nstap; null: not there. */
  peers: Record<string, string | null>;
  quick: boolean;
  parts: PartOutcome[];
  curves: DatedPoint[];
}

/** Three digits that count, with separators of thousands. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return 'none';
  const size = Math.abs(value);
  const digits = size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
