import { setTimeout as sleep } from 'node:timers/promises';
import { ControlClient } from '../../daemon/control/client.ts';
import { version } from '../../daemon/version.ts';
import { questionOf, type TopState, update } from './model.ts';

/** Rates of the captures are of this time at least. */
const LEAST_MS = 1000;
/** An interval is a little shorter now and then. */
const SLACK_S = 0.2;

/**
 * What the screen would show after its first interval.
 * @param rows how many are wanted
 * @throws ControlError
 */
export async function takeSnapshot(control: string, begin: TopState, rows: number): Promise<TopState> {
  const client = await ControlClient.connect(control, `nstap ${version()}`);
  try {
    const beganMs = performance.now();
    const question = { ...questionOf(begin), limit: rows };
    const state = await withStatus(client, begin);
    for await (const ranking of client.rankings(question)) {
      // The first answers come before there was enough time that rates could be of.
      if (ranking.intervalS < begin.intervalS - SLACK_S) continue;
      await sleep(Math.max(0, beganMs + LEAST_MS - performance.now()));
      return update(await withStatus(client, state), { type: 'ranking', ranking, question });
    }
    return state;
  } finally {
    client.close();
  }
}

async function withStatus(client: ControlClient, state: TopState): Promise<TopState> {
  const status = await client.status();
  return update(state, { type: 'status', status, atMs: performance.now() });
}
