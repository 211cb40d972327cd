// The tables of docs/json.md, from the schemas of what is printed.
import { readFileSync } from 'node:fs';

interface Schema {
  description?: string;
  type?: string | string[];
  $ref?: string;
  enum?: (string | null)[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}

/** One table of the page: of an output, and of the objects within it that no table before has. */
export interface JsonTable {
  name: string;
  text: string;
}

/** Outputs in the order of the page; each is a definition of json.schema.json. */
const OUTPUTS = [
  'groups',
  'explanation',
  'replay',
  'packets',
  'top',
  'report',
  'export',
  'status',
  'route_get',
  'netns',
  'interfaces',
  'experiments',
  'doctor',
] as const;

/** Every table of docs/json.md. @param folder docs/ */
export function jsonTables(folder: string): JsonTable[] {
  const read = (file: string): Schema & { $defs: Record<string, Schema> } =>
    JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'));
  const { $defs } = read('json.schema.json');
  const told = new Set<string>();
  const textOf = (name: string): string => {
    if (told.has(name)) return '';
    told.add(name);
    const { items, ...schema } = $defs[name]!;
    if (schema.properties === undefined) return refsOf(items).map(textOf).join('\n\n');
    const within = Object.values(schema.properties)
      .filter((each) => !isFlowKey(each))
      .flatMap(refsOf)
      .filter((each) => Object.hasOwn($defs, each))
      .map(textOf);
    return [`**${name}**: ${schema.description}\n\n${keysOf(schema)}`, ...within]
      .filter(Boolean)
      .join('\n\n');
  };
  return [
    { name: 'flow', text: keysOf(read('flow.schema.json')) },
    ...OUTPUTS.map((name) => ({ name, text: textOf(name) })),
  ];
}

function isFlowKey({ $ref }: Schema): boolean {
  return $ref?.startsWith('flow.schema.json#/properties/') === true;
}

/** A row each key; keys that are those of a flow have one together. */
function keysOf({ properties = {}, required = [] }: Schema): string {
  const ofFlow = Object.keys(properties).filter((key) => isFlowKey(properties[key]!));
  const rows = Object.entries(properties)
    .filter(([key]) => !ofFlow.includes(key))
    .map(([key, each]) => {
      const text = (each.description ?? '').replaceAll('|', '\\|');
      return `| \`${key}\`${required.includes(key) ? '' : ' (not always)'} | ${kindOf(each)} | ${text} |`;
    });
  if (ofFlow.length > 0) {
    const { description } = properties[ofFlow[0]!]!;
    rows.unshift(`| ${ofFlow.map((key) => `\`${key}\``).join(' ')} | | ${description} |`);
  }
  return ['| key | is | |', '| --- | --- | --- |', ...rows].join('\n');
}

/** In a few words: "integer or null", "list of string", "`up` `down`", "capture". */
function kindOf(schema: Schema): string {
  if (schema.enum !== undefined)
    return schema.enum.map((each) => (each === null ? 'or null' : `\`${each}\``)).join(' ');
  if (schema.anyOf !== undefined) {
    const kinds = schema.anyOf.map(kindOf);
    return [...kinds.filter((kind) => kind !== 'null'), ...kinds.filter((kind) => kind === 'null')].join(
      ' or ',
    );
  }
  if (schema.$ref !== undefined) return refsOf(schema)[0]!;
  const types = [schema.type ?? 'any'].flat();
  return types
    .map((type) => (type === 'array' ? `list of ${schema.items ? kindOf(schema.items) : 'any'}` : type))
    .join(' or ');
}

/** Names of the definitions that it is, or is a list of. */
function refsOf(schema: Schema | undefined): string[] {
  if (schema === undefined) return [];
  if (schema.$ref !== undefined) return [schema.$ref.replace(/^.*\//, '').replace(/\.schema\.json$/, '')];
  return [...refsOf(schema.items), ...(schema.anyOf ?? []).flatMap(refsOf)];
}
