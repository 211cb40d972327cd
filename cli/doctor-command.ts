import { diagnose } from '../daemon/doctor.ts';
import type { Finding } from '../daemon/finding.ts';
import { defaultDb } from './default-db.ts';
import { daemonCheck, terminalCheck } from './doctor-checks.ts';
import { ExitStatus } from './errors.ts';
import { printable } from './format/columns.ts';
import { counted } from './format/count.ts';
import { wrapLine } from './format/wrap.ts';
import { stdoutColors, terminalWidth, writeLines } from './output.ts';

/** Flags of `nstap doctor` as they were given. */
export interface DoctorFlags {
  db?: string;
  control?: string;
  json?: boolean;
}

/** Runs `nstap doctor`. @returns exit status: 1 when the daemon could not work here */
export async function doctorCommand(flags: DoctorFlags): Promise<number> {
  const findings = [
    ...diagnose(flags.db ?? defaultDb(), flags.db === undefined),
    await daemonCheck(flags.control),
    terminalCheck(),
  ];
  await writeLines(flags.json ? [`${JSON.stringify(findings)}\n`] : formatted(findings, terminalWidth()));
  return findings.some(({ state }) => state === 'fail') ? ExitStatus.Failed : ExitStatus.Done;
}

function* formatted(findings: readonly Finding[], width: number | null): Iterable<string> {
  const { green, yellow, red } = stdoutColors();
  const color = { ok: green, warn: yellow, fail: red };
  const checkWidth = Math.max(...findings.map(({ check }) => check.length));
  const indent = checkWidth + 8;
  for (const { check, state, text, advice } of findings) {
    const lines = [`${color[state](state.padEnd(4))}  ${check.padEnd(checkWidth)}  ${printable(text)}`];
    if (advice !== null) lines.push(' '.repeat(indent) + printable(advice));
    for (const line of lines.flatMap((each) => wrapLine(each, width, indent))) yield `${line}\n`;
  }
  const failed = findings.filter(({ state }) => state === 'fail').length;
  const warned = findings.filter(({ state }) => state === 'warn').length;
  const less = warned === 0 ? '' : `, ${counted(warned, 'warning')}`;
  const end =
    failed === 0
      ? green('nothing that the daemon needs is missing')
      : red(`the daemon cannot work here: ${counted(failed, 'thing')} to be put right`);
  yield `\n${wrapLine(end + less, width, 0).join('\n')}\n`;
}
