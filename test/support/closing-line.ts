import type { Reporter, TestCase, TestModule } from 'vitest/node';

/**
 * Ends a run with what was skipped and why, and one plain line of totals that any script can read:
 * `N passed, N failed, N skipped`. A file or a hook that failed counts as one failure, since its tests did not run.
 */
export class ClosingLine implements Reporter {
  readonly #write: (text: string) => void;

  /** @param write where the text goes; standard output unless given */
  constructor(write: (text: string) => void = (text) => void process.stdout.write(text)) {
    this.#write = write;
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    let skipped = 0;
    // One line for each reason in a file: a missing tool skips tests by the dozen.
    const reasons = new Map<string, number>();
    for (const module of modules) {
      if (module.errors().length > 0) failed++;
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) failed++;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed++;
        else if (result.state === 'failed') failed++;
        else {
          skipped++;
          const note = result.state === 'skipped' ? result.note : undefined;
          const why = failedGroup(test) ?? skipReason(test.fullName, note);
          const reason = `${module.relativeModuleId}: ${why}`;
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        }
      }
    }
    this.#write('\n');
    for (const [reason, tests] of reasons) this.#write(`skipped ${tests} in ${reason}\n`);
    this.#write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  }
}

/** A test behind a `beforeAll` that failed counts as skipped. @returns the group whose hook failed, or null */
function failedGroup(test: TestCase): string | null {
  for (let group = test.parent; group.type === 'suite'; group = group.parent) {
    if (group.errors().length > 0) return `a hook of "${group.fullName}" failed`;
  }
  return null;
}

/**
 * Why a test was skipped: the note given to `context.skip`, else what the name of the test or of a group around it says
 * in parentheses, as `(needs root)` or `(skipped: no tshark)`.
 * @param fullName names of groups and test, outermost first
 */
export function skipReason(fullName: string, note: string | undefined): string {
  if (note) return note;
  const named = fullName
    .split(' > ')
    .map((name) => /\((?:skipped: |(?=needs |no ))(.+)\)/.exec(name)?.[1])
    .findLast((reason) => reason !== undefined);
  return named ?? `no reason given: ${fullName}`;
}
