import { InvalidArgumentError } from 'commander';
import { SelectorError } from '../daemon/netns/selector.ts';

/** Gathers the values of an option that may be given more than once. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** As `collect`, of selectors. @param parse throws SelectorError on one that is wrong */
export function collectSelectors(
  parse: (texts: readonly string[]) => unknown,
): (value: string, before?: string[]) => string[] {
  return (value, before) => {
    try {
      parse([value]);
    } catch (error) {
      if (error instanceof SelectorError) throw new InvalidArgumentError(error.message);
      throw error;
    }
    return collect(value, before);
  };
}

/** A parser for whole numbers within bounds. @param unit for the message */
export function wholeNumber(min: number, max: number, unit: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`Expected a whole number of ${unit} from ${min} to ${max}.`);
    return value;
  };
}
