import { setImmediate as turn } from 'node:timers/promises';
import { PACKET_SNAP_LEN, PACKET_SNAP_LEN_MAX } from '../daemon/control/limits.ts';
import { ControlError } from '../daemon/control/errors.ts';
import type { LiveCapture, PacketsMessage } from '../daemon/control/messages.ts';
import { checkSelection } from '../daemon/control/selectors.ts';
import { SavefileError } from '../decoders/savefile-error.ts';
import type { FilterNode } from '../storage/filter-ast.ts';
import { encodeFilter, FilterJsonError } from '../storage/filter-json.ts';
import { inapplicable } from '../storage/filter-scope.ts';
import { controlToAsk } from './default-control.ts';
import { UsageError } from './errors.ts';
import { readFilter } from './filter/read.ts';
import { printable } from './format/columns.ts';
import { counted } from './format/count.ts';
import { shellWord } from './format/shell-word.ts';
import { Interruption } from './interruption.ts';
import { stdoutColors } from './output.ts';
import { CaptureFile } from './tail/capture-file.ts';
import { LivePackets } from './tail/live-packets.ts';
import { PacketOrder, type WaitingPacket } from './tail/packet-order.ts';
import { packetPrinter, type PacketPrinter } from './tail/packet-printer.ts';
import { ShownPacket } from './tail/shown-packet.ts';
import { TailCounts } from './tail/tail-counts.ts';
import type { TailFlags } from './tail/tail-options.ts';

/** How often it is looked whether packets are missing. */
const NOTICE_LOOK_MS = 250;
/** Interfaces that are named in the first line, at most. */
const NAMED_MAX = 4;

/** Runs `nstap tail`. @returns exit status @throws UsageError, ControlError, SavefileError */
export async function tailCommand(expression: string, flags: TailFlags): Promise<number> {
  const filter = await packetFilter(expression, flags.resolve === true);
  const selection = { netns: flags.netns ?? '', interface: flags.interface ?? '' };
  if (selection.interface === 'any') selection.interface = '';
  try {
    checkSelection(selection, true);
  } catch (error) {
    throw error instanceof ControlError ? new UsageError(error.message) : error;
  }
  const snapLength =
    flags.snaplen === 0 || (flags.snaplen === undefined && flags.write !== undefined)
      ? PACKET_SNAP_LEN_MAX
      : (flags.snaplen ?? PACKET_SNAP_LEN);
  const printer = printerFor(flags);
  const path = flags.control ?? controlToAsk();
  const live = new LivePackets(path, { ...selection, filter, snapLength });
  try {
    return await new Tail(live, printer, snapLength, expression, flags).run();
  } catch (error) {
    throw explained(error, flags);
  }
}

/** @throws UsageError a mistake, a condition that only a whole flow can be asked for, or too much for each packet to be asked */
async function packetFilter(expression: string, isResolving: boolean): Promise<FilterNode | null> {
  const filter = await readFilter(expression, isResolving);
  const wrong = filter === null ? [] : inapplicable(filter, 'packet');
  if (wrong.length > 0) throw new UsageError(wrong.map(({ message }) => message).join('\n'));
  try {
    if (filter !== null) encodeFilter(filter);
  } catch (error) {
    throw error instanceof FilterJsonError ? new UsageError(error.message) : error;
  }
  return filter;
}

/** What stdout gets; null: no packets as text. @throws UsageError */
function printerFor(flags: TailFlags): PacketPrinter | null {
  if (flags.write === '-' && (flags.print || flags.json || flags.format === 'ndjson'))
    throw new UsageError('-w - writes the capture file to stdout: packets cannot be printed there as well');
  if (flags.write === '-' && process.stdout.isTTY)
    throw new UsageError('-w - writes binary data, and stdout is a terminal; redirect it, or name a file');
  const printer = packetPrinter(flags, stdoutColors());
  return flags.write === undefined || flags.print ? printer : null;
}

/** One run: packets to stdout, a file or both, until enough came or a signal. */
class Tail {
  readonly #live: LivePackets;
  readonly #printer: PacketPrinter | null;
  readonly #snapLength: number;
  readonly #expression: string;
  readonly #flags: TailFlags;
  readonly #counts = new TailCounts(say);
  readonly #order = new PacketOrder();
  readonly #packet = new ShownPacket();
  readonly #interruption = new Interruption(() => {}, 'packets that were under way are not shown');
  /** Aborted when enough was shown, or showing failed. */
  readonly #over = new AbortController();
  #failure: unknown = null;
  #isBegun = false;
  #file: CaptureFile | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** Packets are shown one batch after the other. */
  #showing: Promise<void> = Promise.resolve();

  constructor(
    live: LivePackets,
    printer: PacketPrinter | null,
    snapLength: number,
    expression: string,
    flags: TailFlags,
  ) {
    this.#live = live;
    this.#printer = printer;
    this.#snapLength = snapLength;
    this.#expression = expression;
    this.#flags = flags;
  }

  async run(): Promise<number> {
    const interrupted = this.#interruption.signal;
    interrupted.addEventListener('abort', () => this.#interruption.ending(true));
    const notices = setInterval(() => this.#counts.notice(), NOTICE_LOOK_MS);
    let isWhole = false;
    try {
      const hooks = { begun: this.#begun, lost: this.#lost };
      const signal = AbortSignal.any([interrupted, this.#over.signal]);
      for await (const message of this.#live.messages(hooks, signal)) {
        this.#take(message);
        while (this.#order.isFull) await this.#show();
        // Else a burst of messages would leave no room for Ctrl-C.
        await turn();
      }
      isWhole = true;
    } finally {
      clearInterval(notices);
      if (this.#timer !== null) clearTimeout(this.#timer);
      await this.#show(true);
      if (this.#isBegun && this.#failure === null) await this.#end(isWhole && interrupted.aborted);
      this.#file?.close();
      this.#interruption.close();
    }
    if (this.#failure !== null) throw this.#failure;
    return this.#isEnough ? 0 : (this.#interruption.status ?? 0);
  }

  get #isEnough(): boolean {
    return this.#counts.shown === this.#flags.count;
  }

  readonly #begun = (captures: readonly LiveCapture[], isAgain: boolean): void => {
    const { write, route } = this.#flags;
    this.#isBegun = true;
    if (write !== undefined && this.#file === null) {
      try {
        this.#file = new CaptureFile(write, this.#snapLength, route, `nstap tail ${this.#expression}`.trim());
      } catch (error) {
        this.#fail(error);
        return;
      }
    }
    if (isAgain) say('the daemon captures again; packets in between were not seen');
    else say(listening(captures, this.#snapLength));
  };

  readonly #lost = (): void => say('the connection to the daemon broke; connecting again');

  #take({ packets, routes, skipped, skippedClient, matched }: PacketsMessage): void {
    const counts = this.#counts;
    if (this.#isEnough) return;
    counts.matched += matched;
    counts.skip(skipped, 'daemon');
    counts.skip(skippedClient, 'client');
    this.#file?.skipped(skipped + skippedClient);
    // Who pressed Ctrl-C at a terminal has seen enough; a file or a pipe gets all that was copied by then.
    if (this.#interruption.signal.aborted && this.#file === null && process.stdout.isTTY) {
      counts.skip(packets.length + this.#order.takeAll().length, 'interrupted');
      return;
    }
    this.#order.push(packets, routes, Date.now());
    this.#schedule();
  }

  #schedule(): void {
    if (this.#timer !== null || this.#order.size === 0) return;
    const waitMs = Math.max(0, Math.ceil(this.#order.dueMs - Date.now()));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#show().then(() => this.#schedule());
    }, waitMs);
  }

  /** Shows what is due, after what is being shown; never rejects. @param isAll whatever waits */
  #show(isAll = false): Promise<void> {
    this.#showing = this.#showing.then(async () => {
      if (this.#failure !== null) return;
      try {
        await this.#batch(isAll ? this.#order.takeAll() : this.#order.take(Date.now()));
      } catch (error) {
        this.#fail(error);
      }
    });
    return this.#showing;
  }

  async #batch(list: readonly WaitingPacket[]): Promise<void> {
    let text = '';
    for (const { packet: each, routes } of list) {
      if (this.#isEnough) break;
      const packet = this.#packet.read(each, routes);
      if (this.#printer !== null) text += this.#printer.packet(packet);
      this.#file?.packet(packet);
      this.#counts.show();
    }
    if (this.#isEnough) this.#over.abort();
    if (list.length > 0) this.#file?.flush();
    if (text !== '') await write(text);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#over.abort();
  }

  async #end(isInterrupted: boolean): Promise<void> {
    const counts = this.#counts;
    counts.kernelDrops = this.#live.counts.reduce((sum, each) => sum + each.kernelDrops, 0);
    // With -c the tail ends with that packet: what the daemon matched after it is none of its.
    if (this.#isEnough) counts.matched = counts.shown + counts.skipped;
    if (this.#printer !== null) await write(this.#printer.end());
    if (isInterrupted && process.stderr.isTTY) process.stderr.write('\n');
    counts.notice(true);
    const skipped = `${counted(counts.skipped, 'packet')} of ${counted(counts.matched, 'matched packet')} skipped`;
    this.#file?.end(this.#live.counts, skipped);
    process.stderr.write(counts.summary(this.#flags.write === undefined ? 'shown' : 'written'));
  }
}

function listening(captures: readonly LiveCapture[], snapLength: number): string {
  if (captures.length === 0)
    return 'the daemon captures no such interface yet; waiting for one (`nstap interfaces` tells why)';
  const places = captures.map(({ netns, interface: name }) => (netns === '' ? name : `${netns}/${name}`));
  const named = places.slice(0, NAMED_MAX).join(', ');
  const more = places.length > NAMED_MAX ? `, and ${places.length - NAMED_MAX} more` : '';
  const filters = new Set(captures.map(({ filter }) => filter).filter(Boolean));
  const only = filters.size === 0 ? '' : `; the daemon itself captures only ${[...filters].join(', or ')}`;
  return `listening on ${named}${more}, snapshot length ${snapLength} octets${only}`;
}

function say(line: string): void {
  process.stderr.write(`${line.startsWith('--') ? '' : 'nstap: '}${printable(line)}\n`);
}

function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** The error with what to do about it. */
function explained(error: unknown, flags: TailFlags): unknown {
  // Wireshark was closed, or `head` has enough.
  if (error instanceof SavefileError && (error.cause as NodeJS.ErrnoException)?.code === 'EPIPE')
    return error.cause;
  if (!(error instanceof ControlError)) return error;
  if (error.code === 'CONTROL_STOPPING') return new Error('the daemon has ended', { cause: error });
  if (error.code !== 'CONTROL_NO_DAEMON') return error;
  const words = [
    ...(flags.netns === undefined ? [] : ['--netns', flags.netns]),
    ...(flags.interface === undefined || flags.interface === 'any' ? [] : ['--interface', flags.interface]),
    ...(flags.control === undefined ? [] : ['--control', flags.control]),
  ].map(shellWord);
  const sudo = process.getuid!() === 0 ? '' : 'sudo ';
  const command = [`${sudo}nstap daemon`, ...words].join(' ');
  return new Error(`${error.message}\nstart one in another terminal, or with & behind it:\n  ${command}`, {
    cause: error,
  });
}
