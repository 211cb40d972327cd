import type { Backend, DaemonOptions, LogLevel, TunnelMode } from '../config.ts';
import type { FlowTimeouts } from '../flow/timeouts.ts';

/** What was asked for by flags, or by the file: only what was said. The names are the flags' in camel case. */
export interface GivenOptions extends GivenMetering {
  netns?: string[];
  interface?: string[];
  filter?: string;
  backend?: Backend;
  user?: string;
  fanout?: number;
  ringMib?: number;
  ringTotalMib?: number;
  snaplen?: number;
  auditRate?: number;
  routeHistory?: boolean;
  db?: string;
  retainAge?: string;
  retainSize?: string;
  retainFree?: string;
  logLevel?: LogLevel;
  metrics?: string;
  control?: string;
}

/** The part of it that `nstap replay` has as well. */
export interface GivenMetering {
  maxFlows?: number;
  idleTimeout?: number;
  timeout?: Partial<FlowTimeouts>;
  checkpoint?: number;
  activeTimeout?: number;
  tunnels?: TunnelMode;
  hints?: boolean;
  payload?: number;
  timeseries?: boolean;
}

/** A value as a TOML file has it. */
export type TomlValue = string | number | boolean | readonly string[] | Readonly<Record<string, number>>;

/** What an option takes. `word` is what stands for it in `--help`. */
export type OptionValue =
  | { kind: 'integer'; word: string; min: number; max: number; unit: string }
  | { kind: 'choice'; word: string; choices: readonly string[] }
  /** `allowed`: what it is, in words, where not every text will do; `isValid` tells. */
  | {
      kind: 'text';
      word: string;
      allowed?: string;
      mayBeEmpty?: true;
      isValid?: (text: string) => boolean;
    }
  /** A flag that may be repeated; in the file an array of strings, or one string. `parse` throws SelectorError for wrong ones. */
  | { kind: 'list'; word: string; parse: (texts: readonly string[]) => unknown }
  /** A flag without a value. Each has its opposite: --hints and --no-hints. */
  | { kind: 'switch' }
  /** `--timeout udp=30`; in the file a table. */
  | { kind: 'timeouts'; word: string };

/**
 * An option of the daemon: the one place that says how its flag and its key in the file are called, what they take, and how
 * they are explained. To add one: an entry in DAEMON_OPTIONS, a field in GivenOptions and DaemonOptions, and a line in
 * resolveOptions; help, file, checks, docs/configuration.md and `--check` follow.
 */
export interface OptionSpec {
  /** With its two dashes. */
  flag: string;
  /** "table.key" in the file; null: a second name of another flag. */
  key: string | null;
  value: OptionValue;
  /** For `--help` and the docs, without its default. */
  help: string;
  /** In words. */
  byDefault: string;
  /** True: SIGHUP puts a new value in force. False: it needs a restart. */
  isLive: boolean;
  /** The value in force, as the file would say it; null where it would say nothing. */
  inForce: (options: DaemonOptions) => TomlValue | null;
}

/** Name of the option in GivenOptions, and in commander's options: "--ring-mib" is "ringMib". */
export function fieldOf(spec: OptionSpec): keyof GivenOptions {
  return spec.flag.slice(2).replace(/-./g, (part) => part[1]!.toUpperCase()) as keyof GivenOptions;
}

/** What is allowed, for an error message: "must be …". */
export function allowedBy(value: OptionValue): string {
  switch (value.kind) {
    case 'integer':
      return `a whole number of ${value.unit} from ${value.min} to ${value.max}`;
    case 'choice':
      return `one of ${value.choices.map((choice) => `"${choice}"`).join(', ')}`;
    case 'text':
      return value.allowed ?? 'a string that is not empty';
    case 'list':
      return 'a string or an array of strings, none of them empty';
    case 'switch':
      return 'true or false';
    case 'timeouts':
      return 'a table of states and seconds, such as { udp = 30 }';
  }
}
