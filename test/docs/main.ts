// `npm run docs`: writes the tables that are made from the sources into docs/.
import { writeFileSync } from 'node:fs';
import { pathOf, SCHEMA_FILE, schemaText, TABLES, withTable } from './tables.ts';

for (const each of TABLES) writeFileSync(pathOf(each.page), withTable(each));
writeFileSync(pathOf(SCHEMA_FILE), schemaText());
