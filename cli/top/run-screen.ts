import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { render } from 'ink';
import { createElement as h } from 'react';
import { type Suspend, TopApp } from './app.ts';
import type { TopCommand } from './keys.ts';
import { lookOf } from './look.ts';
import { questionOf, type TopState } from './model.ts';
import { TopSession } from './session.ts';
import { TopStore } from './store.ts';

/** Pictures a second, at most: keys are seen at once, and a flood of them costs no more. */
const FPS = 20;
/** A process that nobody can stop (it has no shell) goes on after this time. */
const STOP_MS = 300;
/** xterm: the alternate screen, and the cursor in its first column and line. */
const ALTERNATE_SCREEN_HOME = '\x1b[?1049h\x1b[H';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Shows the screen until the user quits, or a signal comes. The terminal is as it was then, however it ends.
 * @param control path of the daemon's socket
 * @returns exit status: 0 for `q`; 128 and the number of the signal else, 130 for Ctrl-C
 * @throws ControlError when there is no daemon at the start, before anything is drawn
 */
export async function runScreen(control: string, begin: TopState): Promise<number> {
  const store = new TopStore(begin);
  const session = await TopSession.start(control, questionOf(begin), {
    ranking: (ranking, question) => store.act({ type: 'ranking', ranking, question }),
    status: (status, atMs) => store.act({ type: 'status', status, atMs }),
    gone: (message) => store.act({ type: 'gone', message }),
  });
  const unsubscribe = store.subscribe(() => session.ask(questionOf(store.state())));
  const ended = Promise.withResolvers<number>();
  let suspend: Suspend = async (during) => during();
  let isSuspended = false;

  const pause = (during: () => Promise<void>): void => {
    if (isSuspended) return;
    isSuspended = true;
    suspend(async () => {
      await during();
      process.stdout.write('\r');
    })
      .catch(ended.reject)
      .finally(() => {
        isSuspended = false;
      });
  };
  const command = (asked: TopCommand): void => {
    switch (asked) {
      case 'quit':
        ended.resolve(0);
        break;
      case 'interrupt':
        ended.resolve(128 + constants.signals.SIGINT);
        break;
      case 'stop':
        pause(stopJob);
        break;
      case 'redraw':
        pause(async () => {});
    }
  };
  const signalled = (signal: NodeJS.Signals): void => ended.resolve(128 + constants.signals[signal]);
  // Whoever stopped the process has set the terminal to other modes meanwhile.
  const continued = (): void => command('redraw');
  const hungUp = (): void => signalled('SIGHUP');
  for (const signal of SIGNALS) process.on(signal, signalled);
  process.on('SIGCONT', continued);
  process.on('uncaughtException', ended.reject);
  process.stdin.on('end', hungUp).on('error', hungUp);

  // Ink begins to draw where the cursor stands: what was typed ahead may have moved it.
  process.stdout.write(ALTERNATE_SCREEN_HOME);
  const app = render(
    h(TopApp, {
      store,
      look: lookOf(),
      command,
      attach: (given) => {
        suspend = given;
      },
    }),
    {
      alternateScreen: true,
      exitOnCtrlC: false,
      incrementalRendering: true,
      // A terminal is a terminal, also where $CI is set.
      interactive: true,
      maxFps: FPS,
      patchConsole: false,
    },
  );
  // An error in a component: Ink has given the terminal back by then.
  app.waitUntilExit().catch(ended.reject);
  try {
    return await ended.promise;
  } finally {
    unsubscribe();
    session.close();
    app.unmount();
    await app.waitUntilExit().catch(() => {}); // `ended` has it
    for (const signal of SIGNALS) process.removeListener(signal, signalled);
    process.removeListener('SIGCONT', continued);
    process.removeListener('uncaughtException', ended.reject);
    process.stdin.off('end', hungUp).off('error', hungUp);
  }
}

/** As Ctrl-Z does to a program that leaves the terminal alone: its whole job stops, until the shell has it go on. */
async function stopJob(): Promise<void> {
  const goesOn = new Promise<void>((resolve) => process.once('SIGCONT', () => resolve()));
  process.kill(0, 'SIGTSTP');
  await Promise.race([goesOn, sleep(STOP_MS, undefined, { ref: false })]);
}
