import { TIMEOUT_MAX, TIMEOUT_NAMES } from '../config.ts';
import type { OptionSpec, OptionValue } from './spec.ts';

/** A piece of JSON Schema, 2020-12 or draft 7: nstap uses what is the same in both. */
export type JsonSchema = Record<string, unknown>;

/**
 * The schema of the configuration file, from the list of options: what the daemon checks the file against, and what an editor
 * that knows JSON Schema for TOML can be given (docs/nstap.schema.json).
 */
export function fileSchema(specs: readonly OptionSpec[]): JsonSchema {
  const tables: Record<string, JsonSchema> = {};
  for (const spec of specs) {
    if (spec.key === null) continue;
    const [table = '', key = ''] = spec.key.split('.');
    tables[table] ??= { type: 'object', additionalProperties: false, properties: {} };
    (tables[table].properties as JsonSchema)[key] = {
      description: `${spec.help} (default: ${spec.byDefault})`,
      ...valueSchema(spec.value),
    };
  }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'nstap.toml',
    type: 'object',
    additionalProperties: false,
    properties: tables,
  };
}

function valueSchema(value: OptionValue): JsonSchema {
  switch (value.kind) {
    case 'integer':
      return { type: 'integer', minimum: value.min, maximum: value.max };
    case 'choice':
      return { enum: value.choices };
    case 'text':
      return value.mayBeEmpty ? { type: 'string' } : { type: 'string', minLength: 1 };
    case 'list': {
      const text = { type: 'string', minLength: 1 };
      return { anyOf: [text, { type: 'array', items: text }] };
    }
    case 'switch':
      return { type: 'boolean' };
    case 'timeouts': {
      const seconds = { type: 'integer', minimum: 1, maximum: TIMEOUT_MAX };
      const states = Object.keys(TIMEOUT_NAMES).map((name) => [name, seconds]);
      return { type: 'object', additionalProperties: false, properties: Object.fromEntries(states) };
    }
  }
}
