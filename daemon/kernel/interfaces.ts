import koffi from 'koffi';
import { AF_INET, ENODEV, SOCK_CLOEXEC, SOCK_DGRAM } from './constants.ts';
import { SyscallError } from './errors.ts';
import { close, errno, libc } from './libc.ts';
import { openSocket } from './socket.ts';

const ifNameIndexCall = libc.func('void *if_nameindex(void)');
const ifFreeNameIndexCall = libc.func('void if_freenameindex(void *list)');
const ioctlCall = libc.func('int ioctl(int fd, unsigned long request, _Inout_ uint8_t *arg)');

/** struct if_nameindex: u32 if_index 0, char *if_name 8; a list ends with index 0. net/if.h */
const NameIndex = koffi.struct({ if_index: 'uint32_t', if_name: 'const char *' });

/** linux/sockios.h */
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFHWADDR = 0x8927;
/** struct ifreq of linux/if.h: ifr_name 0..15, then a union whose first u16 is ifr_flags or sa_family. */
const IFREQ_LEN = 40;
const IFREQ_UNION = 16;

/** A network interface as the kernel has it now. */
export interface Interface {
  ifIndex: number;
  name: string;
  /** ARPHRD_* of linux/if_arp.h. */
  arpType: number;
  /** IFF_*, low 16 bits. linux/if.h */
  flags: number;
}

/**
 * The interfaces of the calling thread's network namespace, in the kernel's order. An interface that goes away while
 * it is asked for is left out.
 * @throws SyscallError
 */
export function listInterfaces(): Interface[] {
  const list = ifNameIndexCall();
  if (list === null) throw new SyscallError('if_nameindex', 'interfaces', errno());
  const named: { ifIndex: number; name: string }[] = [];
  try {
    for (let i = 0; ; i++) {
      const entry = koffi.decode(list, i * koffi.sizeof(NameIndex), NameIndex);
      if (entry.if_index === 0) break;
      named.push({ ifIndex: entry.if_index, name: entry.if_name });
    }
  } finally {
    ifFreeNameIndexCall(list);
  }
  const fd = openSocket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 'interface query');
  try {
    const found: Interface[] = [];
    for (const { ifIndex, name } of named) {
      const arpType = query(fd, SIOCGIFHWADDR, 'SIOCGIFHWADDR', name);
      const flags = query(fd, SIOCGIFFLAGS, 'SIOCGIFFLAGS', name);
      if (arpType !== null && flags !== null) found.push({ ifIndex, name, arpType, flags });
    }
    return found;
  } finally {
    close(fd);
  }
}

/** The first u16 of the answer, or null when the interface is gone. */
function query(fd: number, request: number, requestName: string, name: string): number | null {
  const ifreq = new Uint8Array(IFREQ_LEN);
  ifreq.set(new TextEncoder().encode(name));
  if (ioctlCall(fd, request, ifreq) === -1) {
    const code = errno();
    if (code === ENODEV) return null;
    throw new SyscallError(`ioctl ${requestName}`, name, code);
  }
  return new Uint16Array(ifreq.buffer, IFREQ_UNION, 1)[0]!;
}
