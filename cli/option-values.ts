import { InvalidArgumentError, Option } from 'commander';
import { TUNNEL_MODES } from '../daemon/config.ts';
import { SelectorError } from '../daemon/netns/selector.ts';

/** Bound of `--max-flows`: a flow's number has 24 bits in the table's index. */
export const MAX_FLOWS_LIMIT = 0xfffffe;

/** Gathers the values of an option that may be given more than once. */
export function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

/** As `collect`, of selectors. @param parse throws SelectorError on one that is wrong */
export function collectSelectors(
  parse: (texts: readonly string[]) => unknown,
): (value: string, before: string[]) => string[] {
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

/** `--tunnels`, the same wherever packets come from. */
export function tunnelsOption(): Option {
  return new Option(
    '--tunnels <mode>',
    'flows of the outermost IP header; of what is inside VXLAN, GENEVE, GRE, ERSPAN, IP in IP and GTP-U instead; or of both',
  )
    .choices(TUNNEL_MODES)
    .default('outer');
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
