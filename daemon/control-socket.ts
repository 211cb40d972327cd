import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { ControlError } from './control/errors.ts';
import { duplicate } from './kernel/inherit.ts';
import { close } from './kernel/libc.ts';
import { bindUnix, isUnixAnswered, listenUnix } from './kernel/unix-listener.ts';

/** Its members may use the socket; without such a group only root may. */
const GROUP = 'nstap';
const SOCKET_MODE = 0o660;
/** The rights are those of the socket; its folder may be looked into, so that a client is told EACCES and not ENOENT. */
const FOLDER_MODE = 0o755;

/**
 * The listening control socket, which the supervisor makes and keeps for as long as the daemon lives. It takes no client: it
 * gives each engine a descriptor of it, so that clients who come while an engine is replaced wait for the next one.
 */
export class ControlSocket {
  readonly path: string;
  readonly #fd: number;
  readonly #inode: bigint;
  #open = true;

  /**
   * @param path absolute; its folder is made when that is missing
   * @throws ControlError CONTROL_REFUSED: another daemon listens there, something else lies there, or it cannot be made
   */
  constructor(path: string) {
    this.path = path;
    try {
      // One level: Node's recursive mkdir never returns where the kernel makes none (/proc).
      const folder = dirname(path);
      if (!existsSync(folder)) {
        mkdirSync(folder, { mode: FOLDER_MODE });
        // The daemon's umask would keep the group out.
        chmodSync(folder, FOLDER_MODE);
      }
      removeStale(path);
      [this.#fd, this.#inode] = open(path);
    } catch (error) {
      if (error instanceof ControlError) throw error;
      throw refused(path, (error as Error).message, error);
    }
  }

  /** A descriptor of the socket, for an engine; the caller closes it. @throws SyscallError */
  descriptor(): number {
    return duplicate(this.#fd);
  }

  /** Takes the socket away, unless another daemon has put its own there meanwhile. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    close(this.#fd);
    if (lstatSync(this.path, { bigint: true, throwIfNoEntry: false })?.ino === this.#inode)
      unlinkSync(this.path);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Makes the socket. @returns its descriptor, and the number of its file */
function open(path: string): [fd: number, inode: bigint] {
  const fd = bindUnix(path);
  try {
    const { ino } = lstatSync(path, { bigint: true });
    const gid = groupId(GROUP, readFileSync('/etc/group', 'utf8'));
    if (gid !== null) chownSync(path, -1, gid);
    chmodSync(path, SOCKET_MODE);
    // Only now can anybody connect.
    listenUnix(fd, path);
    return [fd, ino];
  } catch (error) {
    close(fd);
    unlinkSync(path);
    throw error;
  }
}

/** Removes the socket of a daemon that was killed. Nothing else is ever removed. */
function removeStale(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw refused(path, 'a file that is no socket lies there');
  if (isUnixAnswered(path)) throw refused(path, 'another daemon listens there');
  unlinkSync(path);
}

function refused(path: string, reason: string, cause?: unknown): ControlError {
  return new ControlError(
    'CONTROL_REFUSED',
    `control socket ${path}: ${reason}; choose another path with --control, or "none"`,
    { cause },
  );
}

/** Number of a group of group(5), or null when there is none. */
function groupId(name: string, groups: string): number | null {
  for (const line of groups.split('\n')) {
    const [group, , gid] = line.split(':');
    if (group === name && gid) return Number(gid);
  }
  return null;
}
