import { Option } from 'commander';

/** `--tz`, the same for every command that reads or prints times for people. */
export function tzOption(): Option {
  return new Option(
    '--tz <zone>',
    'zone of times without one, and of those in tables: Europe/Berlin, UTC, +05:30 (default: local)',
  );
}
