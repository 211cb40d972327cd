import { Option } from 'commander';

/** `--resolve`, the same for every command that has a filter but prints no names. */
export function resolveOption(): Option {
  return new Option('--resolve', 'look up the names of hosts and services in the filter');
}
