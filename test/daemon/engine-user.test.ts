import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { chooseEngineUser } from '../../daemon/engine-user.ts';

test('a folder that is not there is told as that, not as a lack of permission', () => {
  expect(() => chooseEngineUser(null, '/nstap-nowhere/flows.db', new URL(import.meta.url))).toThrow(
    /^there is no folder \/nstap-nowhere for the database; create it first$/,
  );
});

test.skipIf(process.getuid!() !== 0)(
  'a partition that the user cannot write is named (needs root: chown)',
  () => {
    const dir = mkdtempSync(join(tmpdir(), 'nstap-user-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const db = join(dir, 'flows.db');
    for (const name of [dir, db, `${db}-0001`, `${db}-notes`]) {
      if (name !== dir) writeFileSync(name, '');
      if (name !== `${db}-notes`) chownSync(name, 65534, 65534);
    }
    chmodSync(`${db}-notes`, 0o600);
    const engine = new URL('file:///etc/passwd');
    expect(chooseEngineUser('65534', db, engine)).toMatchObject({ uid: 65534 });
    chownSync(`${db}-0001`, 0, 0);
    chmodSync(`${db}-0001`, 0o600);
    expect(() => chooseEngineUser('65534', db, engine)).toThrow(`cannot use ${db}-0001 (EACCES)`);
  },
);
