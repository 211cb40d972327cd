import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
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
   * @throws ControlError CONTROL_REFUSED: another daemon listens there, or something else lies there; SyscallError, Error of
   *         node:fs
   */
  constructor(path: string) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE });
    removeStale(path);
    this.#fd = bindUnix(path);
    try {
      this.#inode = lstatSync(path, { bigint: true }).ino;
      const gid = groupId(GROUP, readFileSync('/etc/group', 'utf8'));
      if (gid !== null) chownSync(path, -1, gid);
      chmodSync(path, SOCKET_MODE);
      // Only now can anybody connect.
      listenUnix(this.#fd, path);
    } catch (error) {
      close(this.#fd);
      unlinkSync(path);
      throw error;
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

/** Removes the socket of a daemon that was killed. Nothing else is ever removed. */
function removeStale(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new ControlError(
      'CONTROL_REFUSED',
      `control socket ${path}: a file that is no socket lies there; choose another path with --control, or "none"`,
    );
  if (isUnixAnswered(path))
    throw new ControlError(
      'CONTROL_REFUSED',
      `control socket ${path}: another daemon listens there; stop it, or choose another path with --control, or "none"`,
    );
  unlinkSync(path);
}

/** Number of a group of group(5), or null when there is none. */
function groupId(name: string, groups: string): number | null {
  for (const line of groups.split('\n')) {
    const [group, , gid] = line.split(':');
    if (group === name && gid) return Number(gid);
  }
  return null;
}
