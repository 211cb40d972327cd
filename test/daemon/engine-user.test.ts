import { expect, test } from 'vitest';
import { chooseEngineUser } from '../../daemon/engine-user.ts';

test('a folder that is not there is told as that, not as a lack of permission', () => {
  expect(() => chooseEngineUser(null, '/nstap-nowhere/flows.db', new URL(import.meta.url))).toThrow(
    /^there is no folder \/nstap-nowhere for the database; create it first$/,
  );
});
