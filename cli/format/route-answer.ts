import { printable } from './columns.ts';
import type { RouteAnswer } from '../route-command.ts';

/** What was asked and decided, for people: a line that says it, the decision's parts, and each rule that was tried. */
export function formatRouteAnswer(answer: RouteAnswer): string {
  const { query } = answer;
  const asked = [query.dst];
  if (query.from !== null) asked.push('from', query.from);
  if (query.iif !== null) asked.push('iif', query.iif);
  if (query.oif !== null) asked.push('oif', query.oif);
  if (query.tos !== null) asked.push('tos', `0x${query.tos.toString(16)}`);
  if (query.mark !== null) asked.push('mark', `0x${query.mark.toString(16)}`);
  if (query.uid !== null) asked.push('uid', String(query.uid));
  if (query.ipproto !== null) asked.push('ipproto', String(query.ipproto));
  const lines = [`${asked.join(' ')}: ${summary(answer)}`];
  const add = (name: string, value: string | null): void => {
    if (value !== null) lines.push(`  ${name.padEnd(10)} ${value}`);
  };
  add('type', answer.type);
  add('verdict', answer.verdict);
  add('stage', answer.stage);
  add('rule', answer.rule === null ? null : String(answer.rule));
  add('table', answer.table);
  add('prefix', answer.prefix);
  add('route', answer.text);
  add('confidence', answer.confidence);
  add('reason', answer.reason);
  if (answer.steps.length > 0) lines.push('', '  rules tried:', ...stepLines(answer));
  if (answer.kernel !== undefined) lines.push('', ...kernelLines(answer));
  return `${lines.map((line) => printable(line)).join('\n')}\n`;
}

function summary({ verdict, type, gateway, dev }: RouteAnswer): string {
  if (verdict === 'deliver') return `delivered here (${type})`;
  if (verdict === 'drop') return `dropped (${type})`;
  if (verdict === null) return type;
  const via = gateway === null ? '' : ` via ${gateway}`;
  return `${verdict === 'send' ? 'sent' : 'forwarded'}${via}${dev === null ? '' : ` dev ${dev}`}`;
}

/** The rules that were tried, a line each. */
export function stepLines({ steps }: Pick<RouteAnswer, 'steps'>): string[] {
  const width = Math.max(...steps.map((step) => step.text.length));
  return steps.map(({ rule, text, matched, why, prefix }) => {
    const found = prefix === null ? '' : ` ${prefix}`;
    return `  ${`${rule}:`.padEnd(7)} ${matched ? '*' : ' '} ${text.padEnd(width)}  ${why}${found}`;
  });
}

function kernelLines({ kernel, agrees }: RouteAnswer): string[] {
  if (kernel === null || kernel === undefined) return ['  kernel     cannot be asked this'];
  return [`  kernel     ${kernel.text ?? kernel.error}`, `  agrees     ${agrees ? 'yes' : 'NO'}`];
}
