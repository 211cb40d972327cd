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
