import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from './errors.ts';

/** A folder for a database of a replay that is nobody else's; gone with `close`. It is in $TMPDIR, and for its owner alone. */
export class ScratchDatabase {
  readonly #folder = mkdtempSync(join(tmpdir(), 'nstap-scratch-'));
  readonly path = join(this.#folder, 'flows.db');

  /** Idempotent. */
  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Says which of the files can be read once only, before anything is read.
 * @param what reads them twice, for the message
 * @throws UsageError
 */
export function checkReadTwice(files: readonly string[], what: string): void {
  for (const file of files) {
    if (file !== '-' && statSync(file, { throwIfNoEntry: false })?.isFile() !== false) continue;
    throw new UsageError(
      `${what} reads the packets twice, and ${file === '-' ? 'stdin' : file} can be read once; save it to a file`,
    );
  }
}
