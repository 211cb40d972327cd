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
  'replay',
  'packets',
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
    if (schema.properties === undefined) return textOf(refOf(items));
    const within = Object.values(schema.properties).map(refOf).filter(Boolean).map(textOf);
    return [`**${name}**: ${schema.description}\n\n${keysOf(schema)}`, ...within]
      .filter(Boolean)
      .join('\n\n');
  };
  return [
    { name: 'flow', text: keysOf(read('flow.schema.json')) },
    ...OUTPUTS.map((name) => ({ name, text: textOf(name) })),
  ];
}

function keysOf({ properties = {}, required = [] }: Schema): string {
  const rows = Object.entries(properties).map(([key, each]) => {
    const text = (each.description ?? '').replaceAll('|', '\\|');
    return `| \`${key}\`${required.includes(key) ? '' : ' (not always)'} | ${kindOf(each)} | ${text} |`;
  });
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
  if (schema.$ref !== undefined) return refOf(schema);
  const types = [schema.type ?? 'any'].flat();
  return types
    .map((type) => (type === 'array' ? `list of ${schema.items ? kindOf(schema.items) : 'any'}` : type))
    .join(' or ');
}

/** Name of the definition that it is, or is a list of; "" for none. */
function refOf(schema: Schema | undefined): string {
  if (schema === undefined) return '';
  const own = schema.$ref ?? schema.items?.$ref ?? schema.anyOf?.find(({ $ref }) => $ref)?.$ref;
  return own?.split('/').at(-1) ?? '';
}
