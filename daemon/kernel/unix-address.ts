import { AF_UNIX } from './constants.ts';

/** struct sockaddr_un: sun_family 0 (2), sun_path 2 (108). unix(7) */
const PATH_OFF = 2;
const PATH_MAX = 108;

const encoder = new TextEncoder();

/**
 * The address of a unix socket as the kernel lays it out.
 * @param path one that begins with "@" is in the abstract namespace
 * @throws Error when the path is longer than an address may be
 */
export function unixAddress(path: string): Uint8Array {
  const name = encoder.encode(path.startsWith('@') ? `\0${path.slice(1)}` : path);
  if (name.length > PATH_MAX)
    throw new Error(`${path}: longer than the ${PATH_MAX} octets of a socket's address`);
  const address = new Uint8Array(PATH_OFF + name.length);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX; // host order
  address.set(name, PATH_OFF);
  return address;
}
