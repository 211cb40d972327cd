import { diagnose, type Finding } from '../daemon/doctor.ts';
import { defaultDb } from './default-db.ts';
import { ExitStatus } from './errors.ts';
import { stdoutColors, writeLines } from './output.ts';

/** Flags of `nstap doctor` as they were given. */
export interface DoctorFlags {
  db?: string;
  json?: boolean;
}

/** Runs `nstap doctor`. @returns exit status: 1 when the daemon could not work here */
export async function doctorCommand(flags: DoctorFlags): Promise<number> {
  const findings = diagnose(flags.db ?? defaultDb(), flags.db === undefined);
  await writeLines([flags.json ? `${JSON.stringify(findings)}\n` : format(findings)]);
  return findings.some(({ state }) => state === 'fail') ? ExitStatus.Failed : ExitStatus.Done;
}

function format(findings: readonly Finding[]): string {
  const { green, yellow, red } = stdoutColors();
  const color = { ok: green, warn: yellow, fail: red };
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .flatMap(({ check, state, text, advice }) => [
      `${color[state](state.padEnd(4))}  ${check.padEnd(width)}  ${text}\n`,
      ...(advice === null ? [] : [`${' '.repeat(width + 8)}${advice}\n`]),
    ])
    .join('');
}
