import { type Command, InvalidArgumentError, Option } from 'commander';
import { TIMEOUT_MAX, TIMEOUT_NAMES } from '../daemon/config.ts';
import { allowedBy, type GivenMetering, type OptionSpec } from '../daemon/options/spec.ts';
import { collectSelectors, wholeNumber } from './option-values.ts';

type Timeouts = NonNullable<GivenMetering['timeout']>;

/**
 * Adds options to a command. None has a default of commander's: what was not given is not there, so that the configuration
 * file can say it.
 * @param byDefault words for defaults that are others in this command, by flag
 */
export function addOptions(
  command: Command,
  specs: readonly OptionSpec[],
  byDefault: Readonly<Record<string, string>> = {},
): void {
  for (const spec of specs) {
    const words = byDefault[spec.flag] ?? spec.byDefault;
    // Of a flag without a value its being there tells what is the default.
    const isPlain = words === '' || spec.value.kind === 'switch';
    const help = isPlain ? spec.help : `${spec.help} (default: ${words})`;
    for (const option of optionsOf(spec, help)) command.addOption(option);
  }
}

function optionsOf(spec: OptionSpec, help: string): Option[] {
  const { flag, value } = spec;
  switch (value.kind) {
    case 'integer':
      return [
        new Option(`${flag} <${value.word}>`, help).argParser(wholeNumber(value.min, value.max, value.unit)),
      ];
    case 'choice':
      return [new Option(`${flag} <${value.word}>`, help).choices(value.choices)];
    case 'text': {
      const option = new Option(`${flag} <${value.word}>`, help);
      const { isValid } = value;
      if (isValid !== undefined)
        option.argParser((text) => {
          if (isValid(text)) return text;
          throw new InvalidArgumentError(`Expected ${allowedBy(value)}.`);
        });
      return [option];
    }
    case 'list':
      return [new Option(`${flag} <${value.word}>`, help).argParser(collectSelectors(value.parse))];
    case 'switch': {
      // The one that changes something is in the help.
      const isOn = spec.byDefault === 'yes';
      const off = `--no-${flag.slice(2)}`;
      return [
        new Option(flag, help).hideHelp(isOn),
        new Option(off, isOn ? `do not ${help}` : help).hideHelp(!isOn),
      ];
    }
    case 'timeouts':
      return [new Option(`${flag} <${value.word}>`, help).argParser(timeoutValue)];
  }
}

/** Parses `udp=30,icmp=5`, over what was given before. */
function timeoutValue(text: string, before: Timeouts | undefined): Timeouts {
  const timeouts = { ...before };
  for (const part of text.split(',')) {
    const [name = '', value = ''] = part.split('=').map((word) => word.trim());
    const key = Object.hasOwn(TIMEOUT_NAMES, name) ? TIMEOUT_NAMES[name] : undefined;
    if (key === undefined || !/^\d+$/.test(value) || Number(value) < 1 || Number(value) > TIMEOUT_MAX)
      throw new InvalidArgumentError(
        `"${part}" is not STATE=SEC. STATE is one of ${Object.keys(TIMEOUT_NAMES).join(', ')}; SEC a whole number from 1 to ${TIMEOUT_MAX}.`,
      );
    timeouts[key] = Number(value);
  }
  return timeouts;
}
