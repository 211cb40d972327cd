/** What clients of the control socket may cost. */
export interface ControlLimits {
  /** Connected at once; one more is told so and turned away. */
  clients: number;
  /** From the connection to a whole `hello`. */
  helloMs: number;
  /** From the first octet of a message to its last. */
  frameMs: number;
  /** Without a request or a stream. */
  idleMs: number;
  /** With something to send, of which the client takes nothing. */
  stallMs: number;
  /** Octets that wait for a client; a stream's messages beyond it are dropped and counted. */
  queueBytes: number;
  /** Rankings at once, of all clients. */
  rankings: number;
}

/** Octets of each packet that a client gets when it does not say how many: every header of an ordinary one. */
export const PACKET_SNAP_LEN = 256;
/** The most that it can ask for: IPv4's largest; what the kernel would have cut later is longer, and is cut. */
export const PACKET_SNAP_LEN_MAX = 65_535;

/** What the daemon allows: 64 clients cost at most 128 MiB if all of them stop reading. */
export const CONTROL_LIMITS: ControlLimits = {
  clients: 64,
  helloMs: 5_000,
  frameMs: 10_000,
  idleMs: 60_000,
  stallMs: 60_000,
  queueBytes: 2 * 1024 * 1024,
  rankings: 8,
};
