/**
 * Kernel constants that more than one file of this folder uses, named as in the headers. Values are those of
 * asm-generic, shared by x86-64, arm64, riscv64 and s390x; nstap supports no other Linux ABI.
 */

/** Address families. linux/socket.h */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_PACKET = 17;

/** Socket types and flags of socket(2). linux/net.h */
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

/** Socket level and its options. asm-generic/socket.h */
export const SOL_SOCKET = 1;
export const SO_ERROR = 4;
export const SO_ATTACH_FILTER = 26;
export const SO_DETACH_FILTER = 27;
export const SO_SNDBUFFORCE = 32;

/** Flags and control messages of sendmsg(2), recvmsg(2). linux/socket.h */
export const SCM_RIGHTS = 1;
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;

/** poll(2) events. asm-generic/poll.h */
export const POLLIN = 0x1;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;

/** errno values that this folder tells apart. asm-generic/errno-base.h, errno.h */
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const ENODEV = 19;
export const ENETDOWN = 100;
export const EPIPE = 32;
export const ECONNRESET = 104;
export const ECONNREFUSED = 111;

/** Hardware types, `ARPHRD_*` of linux/if_arp.h, as far as they map to a link type. */
export const ARPHRD_ETHER = 1;
export const ARPHRD_METRICOM = 23;
export const ARPHRD_PPP = 512;
export const ARPHRD_RAWHDR = 518;
export const ARPHRD_RAWIP = 519;
export const ARPHRD_TUNNEL = 768;
export const ARPHRD_LOOPBACK = 772;
export const ARPHRD_SIT = 776;
export const ARPHRD_IEEE80211 = 801;
export const ARPHRD_IEEE80211_PRISM = 802;
export const ARPHRD_IEEE80211_RADIOTAP = 803;
export const ARPHRD_NONE = 0xfffe;

/** Link types of savefiles. pcap-linktype(7) */
export const LINKTYPE_ETHERNET = 1;
export const LINKTYPE_RAW = 101;
export const LINKTYPE_IEEE802_11 = 105;
export const LINKTYPE_LINUX_SLL = 113;
export const LINKTYPE_IEEE802_11_PRISM = 119;
export const LINKTYPE_IEEE802_11_RADIOTAP = 127;

/** Octets of the header that LINKTYPE_LINUX_SLL puts before the network header. pcap-linktype(7) */
export const SLL_HDR_LEN = 16;

/** linux/if_ether.h */
export const ETH_P_ALL = 0x0003;
