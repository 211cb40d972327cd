import { spawnSync } from 'node:child_process';

/** How a command is started: its words, and its environment. */
export interface CommandLine {
  words: readonly string[];
  env: NodeJS.ProcessEnv;
}

/**
 * The command line that has a command run as the user who typed it. That is this process's own, except under sudo(8), which
 * tells in SUDO_UID, SUDO_GID and SUDO_USER who it was: then setpriv(1) becomes that user, with all of its groups.
 * @param words the command and its arguments
 */
export function asCallingUser(
  words: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  uid = process.getuid!(),
): CommandLine {
  const { SUDO_UID: toUid, SUDO_GID: toGid, SUDO_USER: name } = env;
  if (uid !== 0 || !isNumber(toUid) || !isNumber(toGid) || toUid === '0') return { words, env };
  return {
    words: ['setpriv', `--reuid=${toUid}`, `--regid=${toGid}`, '--init-groups', '--', ...words],
    env: { ...env, ...(name === undefined ? {} : { USER: name, LOGNAME: name }), ...homeOf(toUid) },
  };
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d+$/.test(text);
}

/** HOME by passwd(5), wherever users are kept; nothing when the user has none. */
function homeOf(uid: string): { HOME?: string } {
  const { stdout } = spawnSync('getent', ['passwd', uid], { encoding: 'utf8' });
  const home = stdout?.split('\n')[0]?.split(':')[5];
  return home ? { HOME: home } : {};
}
