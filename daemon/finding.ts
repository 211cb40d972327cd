/** One thing that `nstap doctor` looked at. */
export interface Finding {
  /** Stable name, for scripts. */
  check: string;
  /** warn: nstap works, with less; fail: the daemon cannot work. */
  state: 'ok' | 'warn' | 'fail';
  /** What was found. */
  text: string;
  /** What to do about it; null when it is ok. */
  advice: string | null;
}

/** It is as it should be. */
export function ok(check: string, text: string): Finding {
  return { check, state: 'ok', text, advice: null };
}

/** It works, with less. */
export function warn(check: string, text: string, advice: string): Finding {
  return { check, state: 'warn', text, advice };
}

/** The daemon cannot work. */
export function fail(check: string, text: string, advice: string): Finding {
  return { check, state: 'fail', text, advice };
}
