import { SingleBar } from 'cli-progress';
import type { ReadTotals, ReplayProgress } from '../daemon/replay.ts';
import { isSupportedLinkType, linkTypeName } from '../decoders/link-types.ts';

/** Says on stderr what is amiss with the files. */
export function warnOf(totals: ReadTotals): void {
  for (const linkType of totals.linkTypes) {
    if (isSupportedLinkType(linkType)) continue;
    process.stderr.write(
      `nstap: warning: link type ${linkTypeName(linkType)} (${linkType}) has no decoder; its packets are counted as undecoded\n`,
    );
  }
  if (totals.dropped !== null && totals.dropped > 0)
    process.stderr.write(
      `nstap: warning: ${totals.dropped} packets were lost where this was captured, as its statistics say\n`,
    );
  for (const { file, offset, reason } of totals.errors)
    process.stderr.write(`nstap: ${file}: ${reason}${offset === null ? '' : ` (at octet ${offset})`}\n`);
}

/** A progress bar over files on a terminal, nothing elsewhere. */
export class ReplayProgressBar {
  readonly #files: number;
  readonly #bar: SingleBar | null;
  #started = false;

  constructor(files: number) {
    this.#files = files;
    const format = '{name} [{bar}] {percentage}% | {packets} packets | {eta_formatted} left';
    this.#bar = process.stderr.isTTY
      ? new SingleBar({ format, hideCursor: true, clearOnComplete: true, stream: process.stderr })
      : null;
  }

  show({ file, fileNumber, bytesRead, totalBytes, packets }: ReplayProgress): void {
    if (this.#bar === null) return;
    const name = this.#files > 1 ? `${fileNumber + 1}/${this.#files} ${file}` : file;
    const payload = { name, packets: packets.toLocaleString('en-US') };
    // stdin has no size: the bar then stays at what was read.
    const total = totalBytes ?? bytesRead;
    if (!this.#started) this.#bar.start(total, bytesRead, payload);
    else {
      this.#bar.setTotal(total);
      this.#bar.update(bytesRead, payload);
    }
    this.#started = true;
  }

  close(): void {
    this.#bar?.stop();
  }
}
