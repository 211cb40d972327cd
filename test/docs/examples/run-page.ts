import { readFileSync } from 'node:fs';
import { labMissing } from '../../kernel/lab.ts';
import { hasProgram } from '../../support/processes.ts';
import { pathOf } from '../tables.ts';
import { type Example, isExample, type Page, readPage, withOutputs } from './page.ts';
import { isSame } from './same.ts';
import { Shell, ShellError } from './shell.ts';
import { invalidBy } from './valid.ts';

/** What came of running a page. */
export interface Ran {
  /** As it is now, and as it would be with what was printed where that is something else. */
  now: string;
  real: string;
  /** What each example printed. */
  printed: Map<Example, readonly string[]>;
  /** Why it was not run to its end: a command that is not shown failed, or one took too long; else null. */
  failure: string | null;
}

/** Why the examples of a page cannot run here, or null. */
export function pageObstacle({ needsLab, tools }: Page): string | null {
  if (needsLab) return labMissing(...tools);
  const missing = tools.filter((tool) => !hasProgram(tool));
  return missing.length === 0 ? null : `needs ${missing.join(' and ')}`;
}

/**
 * Runs the examples of a page, in their order and in one shell.
 * @param isAnew `real` has all that was printed, also where the page shows the same
 */
export async function runPage(file: string, isAnew = false): Promise<Ran> {
  const now = readFileSync(pathOf(file), 'utf8');
  const page = readPage(now);
  const printed = new Map<Example, readonly string[]>();
  const others = new Map<Example, readonly string[]>();
  let failure: string | null = null;
  const shell = new Shell(page.needsLab);
  try {
    for (const step of page.steps) {
      const { lines, status } = await shell.run(step.command, isExample(step) ? step.columns : null);
      if (isExample(step)) {
        printed.set(step, lines);
        const strict = { isLive: page.needsLab, isAbout: step.isAbout, isUnordered: step.isUnordered };
        if (isAnew || !isSame(step.shown, lines, strict)) others.set(step, lines);
      } else if (status !== 0) {
        throw new ShellError(`${step.command}: status ${status}\n${lines.join('\n')}`);
      } else if (step.schema !== null) {
        const wrong = invalidBy(step.schema, lines.join('\n'));
        if (wrong !== null)
          throw new ShellError(`${step.command}: not as docs/json.schema.json says: ${wrong}`);
      }
    }
  } catch (error) {
    if (!(error instanceof ShellError)) throw error;
    failure = `${file}: ${error.message}`;
  } finally {
    await shell.close();
  }
  return { now, real: withOutputs(now, others), printed, failure };
}
