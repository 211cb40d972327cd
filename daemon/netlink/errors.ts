import { getSystemErrorMessage, getSystemErrorName } from 'node:util';

/** A request that the kernel refused, or that got no answer. */
export class NetlinkError extends Error {
  /** Name of the errno, as in Node's own errors ("ENETUNREACH"). */
  readonly code: string;
  /** Positive errno value. */
  readonly errno: number;
  /** The request, by its message type ("RTM_GETROUTE"). */
  readonly operation: string;
  /** What was asked about ("10.0.0.1 in netns a"). */
  readonly object: string;
  readonly sequence: number;
  /** The kernel's own sentence (NLMSGERR_ATTR_MSG), or null. */
  readonly extAck: string | null;

  /** @param errno positive */
  constructor(operation: string, object: string, errno: number, sequence: number, extAck: string | null) {
    const code = getSystemErrorName(-errno);
    super(`${operation} ${object}: ${code}, ${extAck ?? getSystemErrorMessage(-errno)}`);
    this.name = 'NetlinkError';
    this.code = code;
    this.errno = errno;
    this.operation = operation;
    this.object = object;
    this.sequence = sequence;
    this.extAck = extAck;
  }
}

/** Bytes that contradict the netlink format: a length that is too small, or that runs past the end. */
export class NetlinkFormatError extends Error {
  readonly code = 'NETLINK_FORMAT';
  /** Octets from the start of the datagram. */
  readonly offset: number;

  constructor(what: string, offset: number) {
    super(`netlink: ${what} at octet ${offset}`);
    this.name = 'NetlinkFormatError';
    this.offset = offset;
  }
}
