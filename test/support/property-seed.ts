import { configureGlobal } from 'fast-check';

/**
 * Seed of all property tests, where NSTAP_TEST_SEED names one: the gate must say the same of the same commit twice. Everywhere else
 * each run draws anew, which is how these tests find what nobody thought of.
 */
const text = process.env.NSTAP_TEST_SEED ?? '';
if (text !== '') {
  if (!/^-?\d{1,9}$/.test(text))
    throw new Error(`NSTAP_TEST_SEED=${text}: an integer of at most 9 digits is expected`);
  configureGlobal({ seed: Number(text) });
}
