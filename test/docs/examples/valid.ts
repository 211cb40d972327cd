import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { pathOf } from '../tables.ts';

let ajv: Ajv2020 | null = null;

/** Why this text is no JSON that the definition of docs/json.schema.json allows, or null. @param name of `$defs` */
export function invalidBy(name: string, text: string): string | null {
  ajv ??= withSchemas();
  const validate = ajv.getSchema(`json.schema.json#/$defs/${name}`);
  if (validate === undefined) return `there is no definition ${name}`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return (error as Error).message;
  }
  return validate(value) ? null : ajv.errorsText(validate.errors);
}

function withSchemas(): Ajv2020 {
  const all = new Ajv2020({ allErrors: true, validateFormats: false, strictTypes: false });
  for (const file of ['flow.schema.json', 'json.schema.json'])
    all.addSchema(JSON.parse(readFileSync(pathOf(`docs/${file}`), 'utf8')), file);
  return all;
}
