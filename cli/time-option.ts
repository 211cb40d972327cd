import { Option } from 'commander';

/** `--tz`, the same for every command that reads or prints times for people. @param what is of that zone */
export function tzOption(what = 'zone of times without one, and of those in tables'): Option {
  return new Option('--tz <zone>', `${what}: Europe/Berlin, UTC, +05:30 (default: local)`);
}
