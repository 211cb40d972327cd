import { InvalidArgumentError, Option } from 'commander';

/** A parser for numbers that people write in decimal or as 0x, up to `max`. */
export function hexNumber(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^(0[xX][0-9a-fA-F]+|\d+)$/.test(text) || value > max)
      throw new InvalidArgumentError(`Expected a number up to ${max}, decimal or 0x.`);
    return value;
  };
}

/** `--addrs`, the same for every command that takes `--routes`. */
export function addrsOption(): Option {
  return new Option(
    '--addrs <file>',
    'text of `ip addr`, best of `ip -d addr`, or its -j JSON: interfaces and addresses for --routes',
  );
}

/** `--at`, the same for every command that shows or asks routes. */
export function atOption(): Option {
  return new Option(
    '--at <time>',
    'as it was at this time (10m or 2h ago, 14:00, yesterday 14:00, RFC 3339, …), from the history that the daemon keeps',
  ).conflicts(['routes', 'rules', 'addrs', 'snapshot', 'verify']);
}

/** `--db` for `--at`. */
export function historyDbOption(): Option {
  return new Option('--db <file>', 'database with the history for --at (default: see `nstap --help`)');
}
