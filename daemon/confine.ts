import {
  becomeUser,
  CAP_NET_RAW,
  CAP_SYS_ADMIN,
  dropBoundingSet,
  effectiveCapabilities,
  setCapabilities,
  setNoNewPrivs,
} from './kernel/privileges.ts';

/**
 * Gives up, for good, what the engine's process must never have; called first thing in its main thread.
 *
 * With the ring, the supervisor has started the process as its user, and every capability goes. With libpcap, devices
 * are opened in the thread that reads them, in their namespaces: that takes CAP_NET_RAW, and CAP_SYS_ADMIN for setns,
 * which the main thread hands to its capture thread and then drops. So `--backend libpcap` protects less: choose it for
 * devices that have no ring.
 * @param args of the process: BACKEND, and for libpcap started as root the UID and GID to become
 * @throws SyscallError; the process must end then
 */
export function confine(args: readonly string[]): void {
  const [backend, uid, gid] = args;
  const keep = backend === 'libpcap' ? [CAP_NET_RAW, CAP_SYS_ADMIN] : [];
  setNoNewPrivs();
  dropBoundingSet(effectiveCapabilities());
  if (uid !== undefined && gid !== undefined) becomeUser(Number(uid), Number(gid), keep);
  else setCapabilities(keep);
}
