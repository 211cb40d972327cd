import { spawnSync } from 'node:child_process';
import {
  chownSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { databaseFiles } from '../storage/partition-files.ts';

/** The folder that the daemon makes by itself, for the default database. */
export const STATE_DIR = '/var/lib/nstap';
const STATE_DIR_MODE = 0o750;
/** uid and gid of "nobody" where /etc/passwd has none; the kernel's overflowuid. */
const NOBODY = 65534;

/** Who the engine runs as. */
export interface EngineUser {
  name: string;
  uid: number;
  gid: number;
}

/** One line of passwd(5), as far as it matters. */
function parsePasswd(text: string): EngineUser[] {
  return text.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

/**
 * Finds a user by name, or takes "UID" or "UID:GID" as they are.
 * @param passwd text of /etc/passwd; users from elsewhere (LDAP) are named by number
 * @throws Error when there is no such user
 */
export function findUser(text: string, passwd: string): EngineUser {
  const users = parsePasswd(passwd);
  const numeric = /^(\d+)(?::(\d+))?$/.exec(text);
  if (numeric) {
    const uid = Number(numeric[1]);
    const known = users.find((user) => user.uid === uid);
    return {
      name: known?.name ?? text,
      uid,
      gid: numeric[2] === undefined ? (known?.gid ?? uid) : Number(numeric[2]),
    };
  }
  const user = users.find(({ name }) => name === text);
  if (!user)
    throw new Error(
      `--user ${text}: no such user in /etc/passwd; make one (useradd --system ${text}), or give UID:GID`,
    );
  return user;
}

/**
 * Chooses the user of the engine and sees to it that this user can do its work: the one asked for; else `nstap`, else
 * `nobody`; when that one cannot write the database's folder, the folder's owner if it is not root. The default folder
 * is made here and given to the engine, with what `nstap replay` may have put there as root. A daemon that is not root has
 * an engine of its own user.
 * @param asked  `--user`, or null
 * @param db     absolute path of the database
 * @param engine the engine's entry file
 * @throws Error with what to do, when no such user can do it
 */
export function chooseEngineUser(asked: string | null, db: string, engine: URL): EngineUser {
  const passwd = readFileSync('/etc/passwd', 'utf8');
  if (process.getuid!() !== 0) return ownUser(asked, db, engine, passwd);
  const user = asked !== null ? findUser(asked, passwd) : defaultEngineUser(passwd);
  if (dirname(db) === STATE_DIR) giveStateDir(db, user);
  return userThatWorks(user, asked, db, engine, passwd);
}

/**
 * The user that chooseEngineUser would choose, without a change to the file system: the default folder, which the daemon
 * makes and gives to that user, is not looked at.
 * @throws Error as chooseEngineUser
 */
export function checkEngineUser(asked: string | null, db: string, engine: URL): EngineUser {
  const passwd = readFileSync('/etc/passwd', 'utf8');
  if (process.getuid!() !== 0) return ownUser(asked, db, engine, passwd);
  const user = asked !== null ? findUser(asked, passwd) : defaultEngineUser(passwd);
  return dirname(db) === STATE_DIR ? user : userThatWorks(user, asked, db, engine, passwd);
}

/** That user, else the owner of the folder, as far as they can do the engine's work. */
function userThatWorks(
  user: EngineUser,
  asked: string | null,
  db: string,
  engine: URL,
  passwd: string,
): EngineUser {
  const dir = dirname(db);
  if (!existsSync(dir)) throw new Error(`there is no folder ${dir} for the database; create it first`);

  const reason = whyCannotWork(user, db, engine);
  if (reason === null) return user;
  const owner = statSync(dir, { throwIfNoEntry: false });
  if (asked === null && owner !== undefined && owner.uid !== 0 && owner.uid !== user.uid) {
    const other = findUser(`${owner.uid}:${owner.gid}`, passwd);
    if (whyCannotWork(other, db, engine) === null) return other;
  }
  throw new Error(
    `the engine runs as ${user.name}, not as root, and ${reason}; give ${user.name} access (chown), or name another user: --user NAME (--user root works anywhere, but protects least)`,
  );
}

/** The engine's user where none is asked for: `nstap`, else `nobody`; whoever starts a daemon that is not root. */
export function defaultEngineUser(passwd = readFileSync('/etc/passwd', 'utf8')): EngineUser {
  if (process.getuid!() !== 0) return findUser(`${process.getuid!()}:${process.getgid!()}`, passwd);
  const users = parsePasswd(passwd);
  return (
    users.find(({ name }) => name === 'nstap') ??
    users.find(({ name }) => name === 'nobody') ?? { name: 'nobody', uid: NOBODY, gid: NOBODY }
  );
}

/** Only root can become another user: with file capabilities the engine runs as whoever started the daemon. */
function ownUser(asked: string | null, db: string, engine: URL, passwd: string): EngineUser {
  const user = defaultEngineUser(passwd);
  if (asked !== null && findUser(asked, passwd).uid !== user.uid)
    throw new Error(
      `--user ${asked}: only root can run the engine as another user; leave it out, or use sudo`,
    );
  const reason = whyCannotWork(user, db, engine);
  if (reason === null) return user;
  throw new Error(`the engine runs as ${user.name}, and ${reason}; name another database with --db`);
}

/** Makes /var/lib/nstap, or takes it over, for the engine's user. */
function giveStateDir(db: string, user: EngineUser): void {
  mkdirSync(STATE_DIR, { recursive: true, mode: STATE_DIR_MODE });
  for (const file of databaseFiles(db)) {
    let fd: number;
    try {
      // The folder may have been the engine's before: never follow a link that it put there, nor a second name.
      fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
    try {
      const stat = fstatSync(fd);
      if (stat.isFile() && stat.nlink === 1) fchownSync(fd, user.uid, user.gid);
    } finally {
      closeSync(fd);
    }
  }
  chownSync(STATE_DIR, user.uid, user.gid);
}

/** Runs as the engine's user, so that ACLs, read-only mounts and network file systems are asked as well. */
const PROBE = `
const fs = require('node:fs');
const { R_OK, W_OK, X_OK } = fs.constants;
const [engine, dir, base] = process.argv.slice(1);
try {
  fs.accessSync(engine, R_OK);
  fs.accessSync(dir, R_OK | W_OK | X_OK);
  for (const name of fs.readdirSync(dir))
    if (name.startsWith(base) && /^(-\\d{4,})?(-wal|-shm)?$/.test(name.slice(base.length)))
      fs.accessSync(dir + '/' + name, R_OK | W_OK);
} catch (error) {
  process.stdout.write('cannot use ' + error.path + ' (' + error.code + ')');
}`;

/** Why this user cannot run the engine and write the database, in words that follow its name; or null. Starts a process as that user. */
export function whyCannotWork(user: EngineUser, db: string, engine: URL): string | null {
  const probe = spawnSync(
    process.execPath,
    ['-e', PROBE, '--', fileURLToPath(engine), dirname(db), basename(db)],
    {
      encoding: 'utf8',
      cwd: '/',
      env: {},
      ...(process.getuid?.() === 0 ? { uid: user.uid, gid: user.gid } : {}),
    },
  );
  if (probe.error) return `cannot run ${process.execPath} (${(probe.error as NodeJS.ErrnoException).code})`;
  if (probe.status !== 0)
    return `cannot run ${process.execPath}: ${probe.stderr.trim().split('\n').pop() ?? ''}`;
  return probe.stdout === '' ? null : probe.stdout;
}
