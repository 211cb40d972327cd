import { keepAcrossExec } from './kernel/inherit.ts';
import { restrictSelf } from './kernel/landlock.ts';
import {
  becomeUser,
  CAP_NET_RAW,
  CAP_SYS_ADMIN,
  dropBoundingSet,
  effectiveCapabilities,
  setCapabilities,
  setNoNewPrivs,
} from './kernel/privileges.ts';

/** How an engine's process is started: the JSON of its only argument. */
export interface EngineArgument {
  backend: 'ring' | 'libpcap';
  /** User to become, where the process was not started as that user. */
  become: { uid: number; gid: number } | null;
  /** The folder of the database: nothing else is written to. */
  folder: string;
  /** TCP ports that it may listen on. */
  bindPorts: number[];
  /** Landlock holds this process already. */
  isFenced: boolean;
}

/** Descriptors that the supervisor gave: stdin, stdout, stderr, the socket of commands. */
const INHERITED = [0, 1, 2, 3];

/**
 * Gives up, for good, what the engine's process must never have; called first thing in its main thread.
 *
 * With the ring, the supervisor has started the process as its user, and every capability goes. Landlock then takes what
 * the file system would still allow: writing outside the database's folder, and TCP connections. It holds for the thread that
 * asks and those it starts, but V8 has threads before the first line runs: so the process executes itself once more,
 * and all of the second one is held.
 *
 * With libpcap, devices are opened in the thread that reads them, in their namespaces: that takes CAP_NET_RAW, and
 * CAP_SYS_ADMIN for setns, which the main thread hands to its capture thread and then drops; execve would lose them, so there
 * is no Landlock. `--backend libpcap` protects less: choose it for devices that have no ring.
 * @param args of the process: the JSON of an EngineArgument
 * @throws SyscallError; the process must end then
 */
export function confine(args: readonly string[]): void {
  const argument = JSON.parse(args[0]!) as EngineArgument;
  const { backend, become, folder, bindPorts, isFenced } = argument;
  const keep = backend === 'libpcap' ? [CAP_NET_RAW, CAP_SYS_ADMIN] : [];
  setNoNewPrivs();
  dropBoundingSet(effectiveCapabilities());
  if (become !== null) becomeUser(become.uid, become.gid, keep);
  else setCapabilities(keep);
  if (isFenced || backend !== 'ring' || restrictSelf({ writable: [folder], bindPorts }) === 0) return;
  for (const fd of INHERITED) keepAcrossExec(fd);
  // Its own warning that it is experimental would stand in the log, at each start.
  process.removeAllListeners('warning');
  const again = JSON.stringify({ ...argument, isFenced: true } satisfies EngineArgument);
  process.execve!(
    process.execPath,
    [process.execPath, ...process.execArgv, process.argv[1]!, again],
    process.env,
  );
}
