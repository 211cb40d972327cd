import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { Ajv, type ErrorObject } from 'ajv';
import { TIMEOUT_NAMES } from '../config.ts';
import { SelectorError } from '../netns/selector.ts';
import { DAEMON_OPTIONS } from './daemon-options.ts';
import { ConfigError } from './errors.ts';
import { parseListenAddress } from './listen-address.ts';
import { fileSchema } from './schema.ts';
import { allowedBy, fieldOf, type GivenOptions, type OptionSpec } from './spec.ts';
import { didYouMean, nearest } from './suggestion.ts';
import { formatTomlValue, parseToml, type TomlDocument } from './toml.ts';

/** Read when no `--config` is given, and it exists. */
export const DEFAULT_CONFIG_FILE = '/etc/nstap/nstap.toml';

/** Octets; a larger file is something else. */
const FILE_MAX = 1 << 20;
/** Letters that a mistyped key may differ by. */
const TYPO_MAX = 3;
const GROUP_OR_OTHERS_WRITE = 0o022;

const SPECS = DAEMON_OPTIONS.filter((spec) => spec.key !== null);
const validate = new Ajv({ allErrors: true }).compile(fileSchema(SPECS));

/**
 * Reads the configuration file.
 * @throws ConfigError with every mistake in it; Error when it cannot be read, or others may write it
 */
export function readConfigFile(path: string): GivenOptions {
  return parseConfig(readTrusted(path), path);
}

/**
 * The daemon does as root what the file says (whose user the engine is, where it writes): so only root, or whoever
 * starts it, may be able to change it.
 */
function readTrusted(path: string): string {
  let fd: number;
  try {
    // A FIFO without a writer would stop the daemon here.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new Error(`cannot read the configuration ${path}: ${(error as Error).message}`, { cause: error });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error(`the configuration ${path} is not a file`);
    if (stat.size > FILE_MAX)
      throw new Error(`the configuration ${path} has ${stat.size} octets; at most ${FILE_MAX} are read`);
    if ((stat.uid !== 0 && stat.uid !== process.getuid?.()) || (stat.mode & GROUP_OR_OTHERS_WRITE) !== 0)
      throw new Error(
        `the configuration ${path} could be changed by others than root; chown root ${path} && chmod go-w ${path}`,
      );
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/**
 * What a configuration file says.
 * @param text its content
 * @param name of the file, for messages
 * @throws ConfigError with every mistake in it, in the order of the file
 */
export function parseConfig(text: string, name: string): GivenOptions {
  const document = parseToml(text, name);
  const mistakes = new Map<string, { line: number; text: string }>();
  const put = (path: readonly string[], what: string): void => {
    const line = document.lineOf(path);
    // Of a value that fits none of several, the schema tells each: one sentence says them all.
    mistakes.set(path.join('\0'), { line, text: `${name}:${line}: ${what}` });
  };
  if (!validate(document.value))
    for (const error of validate.errors ?? []) {
      const [path, what] = explain(error, document);
      put(path, what);
    }
  const given: Record<string, unknown> = {};
  for (const spec of SPECS) {
    const path = spec.key!.split('.');
    const value = at(document.value, path);
    if (value === undefined) continue;
    if (spec.key === 'metrics.listen' && typeof value === 'string' && parseListenAddress(value) === null)
      put(path, wrongValue(spec, value));
    if (spec.value.kind === 'text' && typeof value === 'string' && spec.value.isValid?.(value) === false)
      put(path, wrongValue(spec, value));
    const said = asGiven(spec, value);
    if (spec.value.kind === 'list' && !mistakes.has(path.join('\0'))) {
      const reason = whyWrong(spec.value.parse, said as string[]);
      if (reason !== null) put(path, `${spec.key} = ${shown(value)}: ${reason}`);
    }
    given[fieldOf(spec)] = said;
  }
  if (mistakes.size > 0)
    throw new ConfigError(
      [...mistakes.values()].sort((a, b) => a.line - b.line).map((mistake) => mistake.text),
    );
  return given as GivenOptions;
}

function whyWrong(parse: (texts: readonly string[]) => unknown, texts: readonly string[]): string | null {
  try {
    parse(texts);
    return null;
  } catch (error) {
    if (error instanceof SelectorError) return error.message;
    throw error;
  }
}

/** @returns the path that is wrong, and what is wrong with it */
function explain(error: ErrorObject, document: TomlDocument): [path: string[], what: string] {
  const path = error.instancePath.split('/').slice(1).map(unescapePointer);
  if (error.keyword === 'additionalProperties') {
    const unknown = (error.params as { additionalProperty: string }).additionalProperty;
    return [[...path, unknown], unknownKey(path, unknown)];
  }
  const [table = '', key, state] = path;
  if (key === undefined)
    return [[table], `${table} = ${shown(document.value[table])}: is a table, written [${table}]`];
  const spec = SPECS.find((each) => each.key === `${table}.${key}`)!;
  const value = at(document.value, path);
  if (spec.value.kind === 'timeouts' && state !== undefined)
    return [path, `${path.join('.')} = ${shown(value)}: must be ${secondsAllowed(error)}`];
  // A wrong member of a list is a wrong list.
  return [[table, key], wrongValue(spec, at(document.value, [table, key]))];
}

function secondsAllowed(error: ErrorObject): string {
  const { maximum } = error.parentSchema ?? {};
  return `a whole number of seconds from 1 to ${maximum ?? 86_400}`;
}

function wrongValue(spec: OptionSpec, value: unknown): string {
  return `${spec.key} = ${shown(value)}: must be ${allowedBy(spec.value)}`;
}

function unknownKey(path: readonly string[], unknown: string): string {
  const [table, key] = path;
  const tables = [...new Set(SPECS.map((spec) => spec.key!.split('.')[0]!))];
  if (table === undefined) {
    // A key that was written outside of its table is the commonest mistake.
    const inside = SPECS.find((spec) => spec.key!.split('.')[1] === unknown);
    if (inside !== undefined) return `${unknown}: must be in a table: it is ${inside.key}`;
    return `[${unknown}]: unknown table${meant(unknown, 'tables', tables, '[', ']')}`;
  }
  if (key !== undefined) {
    const states = Object.keys(TIMEOUT_NAMES);
    return `${table}.${key}.${unknown}: unknown state${meant(unknown, 'states', states, `${table}.${key}.`)}`;
  }
  const elsewhere = SPECS.find((spec) => spec.key!.split('.')[1] === unknown);
  if (elsewhere !== undefined) return `${table}.${unknown}: unknown key${didYouMean([elsewhere.key!])}`;
  const keys = SPECS.map((spec) => spec.key!.split('.')).flatMap(([of, name]) =>
    of === table ? [name!] : [],
  );
  return `${table}.${unknown}: unknown key${meant(unknown, `keys of [${table}]`, keys, `${table}.`)}`;
}

/** What was probably meant, else what there is. */
function meant(unknown: string, what: string, known: readonly string[], before: string, after = ''): string {
  const near = nearest(unknown, known, TYPO_MAX).map((word) => `${before}${word}${after}`);
  return near.length === 0 ? `; ${what} are ${known.join(', ')}` : didYouMean(near);
}

/** The value for a message, cut when it is long. */
function shown(value: unknown): string {
  const text = formatTomlValue(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

function asGiven(spec: OptionSpec, value: unknown): unknown {
  if (spec.value.kind === 'list') return typeof value === 'string' ? [value] : value;
  if (spec.value.kind === 'timeouts' && typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, seconds]) => [TIMEOUT_NAMES[name], seconds]));
  return value;
}

function at(value: unknown, path: readonly string[]): unknown {
  let inner = value;
  for (const key of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, key)) return undefined;
    inner = (inner as Record<string, unknown>)[key];
  }
  return inner;
}

/** RFC 6901 §3 */
function unescapePointer(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~');
}
