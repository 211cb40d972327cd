import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { openForReading } from '../../storage/database.ts';
import { labMissing } from '../kernel/lab.ts';
import { Churn, held, PACKETS_EACH, TOTALS } from './churn.ts';
import { DaemonLab } from './daemon-lab.ts';

const missing = labMissing();
/** `npm run churn` does this with 1,000 of each. */
const ROUNDS = 3;
const EACH = 20;
const FLAPS = 100;
/** Nothing of theirs: what a heap that is young grows by. */
const GROWTH_MIB = 64;

describe.skipIf(missing !== null)(
  `many namespaces and links that come and go${missing ? ` (${missing})` : ''}`,
  () => {
    const lab = new DaemonLab('churn');
    afterEach(() => lab.endDaemon());
    afterAll(() => lab.close());

    it('leaves no descriptor, no memory and no namespace behind, and counts each packet', {
      timeout: 120_000,
    }, async () => {
      const churn = new Churn(lab, 1);
      const flapping = lab.add('flap');
      lab.veth(flapping, 'v0', null, lab.add('peer'), 'v0', null);
      const { d, db } = lab.daemon(
        { netns: [churn.pattern, flapping], interfaces: ['v0'], filter: 'udp port 4000' },
        'real',
      );
      await d.until('the link is captured', () => d.events('capture-opened').length === 1);
      const before = held(d);
      for (let i = 0; i < ROUNDS; i++) await churn.round(d, EACH);
      churn.flap(flapping, 'v0', FLAPS);
      await d.until('all is closed', () => {
        const { supervisorFds, engineFds } = held(d);
        return supervisorFds <= before.supervisorFds && engineFds <= before.engineFds;
      });
      const after = held(d);
      expect(after.supervisorMib).toBeLessThan(before.supervisorMib + GROWTH_MIB);
      expect(after.engineMib).toBeLessThan(before.engineMib + GROWTH_MIB);
      expect(await d.end()).toBe(0);
      const reader = openForReading(db);
      try {
        const packets = ROUNDS * EACH * PACKETS_EACH;
        expect(reader.prepare(TOTALS).get(churn.pattern)).toEqual({
          captures: ROUNDS * EACH,
          packets,
          drops: 0,
          accounted: packets,
        });
        const flaps = FLAPS * PACKETS_EACH;
        expect(reader.prepare(TOTALS).get(flapping)).toEqual({
          captures: 1,
          packets: flaps,
          drops: 0,
          accounted: flaps,
        });
      } finally {
        reader.close();
      }
      expect(d.events('capture-failed')).toEqual([]);
      expect(d.events('netns-removed')).toHaveLength(ROUNDS * EACH);
    });
  },
);
