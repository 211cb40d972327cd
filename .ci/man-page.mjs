// Writes the manual page into dist/, beside the compiled program that it describes.
import { mkdirSync, writeFileSync } from 'node:fs';
import { manPage } from '../dist/cli/man-page.js';
import { createProgram } from '../dist/cli/program.js';
import { version } from '../dist/daemon/version.js';

const folder = new URL('../dist/man/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('nstap.8', folder), manPage(await createProgram(), version()));
