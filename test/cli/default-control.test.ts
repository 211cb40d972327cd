import { describe, expect, test } from 'vitest';
import { defaultControl } from '../../cli/default-control.ts';

describe('the control socket without --control', () => {
  test.each([
    [{}, 0, '/run/nstap/control.sock'],
    [{ XDG_RUNTIME_DIR: '/run/user/0' }, 0, '/run/nstap/control.sock'],
    [{ XDG_RUNTIME_DIR: '/run/user/7' }, 7, '/run/user/7/nstap/control.sock'],
    [{ XDG_RUNTIME_DIR: '' }, 7, null],
    [{}, 7, null],
    [{ NSTAP_CONTROL: '/x.sock', XDG_RUNTIME_DIR: '/run/user/7' }, 7, '/x.sock'],
    [{ NSTAP_CONTROL: '' }, 0, '/run/nstap/control.sock'],
  ])('with %j for uid %i is %s', (env, uid, path) => expect(defaultControl(env, uid)).toBe(path));
});
