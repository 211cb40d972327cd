import type { DaemonOptions } from '../config.ts';
import { DAEMON_OPTIONS } from './daemon-options.ts';
import { formatTomlValue } from './toml.ts';

/**
 * The options in force as a configuration file: read again, it asks for the same. What is not set is a comment.
 */
export function formatConfig(options: DaemonOptions): string {
  const tables = new Map<string, string[]>();
  for (const { key, inForce, byDefault } of DAEMON_OPTIONS) {
    if (key === null) continue;
    const [table = '', name] = key.split('.');
    const lines = tables.get(table) ?? [];
    tables.set(table, lines);
    const value = inForce(options);
    lines.push(value === null ? `# ${name}: ${byDefault}` : `${name} = ${formatTomlValue(value)}`);
  }
  return [...tables].map(([table, lines]) => `[${table}]\n${lines.join('\n')}\n`).join('\n');
}
