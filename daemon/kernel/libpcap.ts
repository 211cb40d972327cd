import koffi from 'koffi';
import { LINKTYPE_ETHERNET, LINKTYPE_RAW, SLL_HDR_LEN } from './constants.ts';
import { withResource } from './dispose.ts';
import { NativeMemory } from './native-memory.ts';
import { type LinkLayer, SOCK_FILTER_LEN } from './packet-socket.ts';

/** A failure of libpcap, or its absence. `code` is 'PCAP_MISSING', 'PCAP_FILTER' or 'PCAP_ERROR'. */
export class PcapError extends Error {
  readonly code: 'PCAP_MISSING' | 'PCAP_FILTER' | 'PCAP_ERROR';

  /** @param message operation, object and libpcap's own words */
  constructor(code: PcapError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PcapError';
    this.code = code;
  }
}

/** Debian's name first (the ABI has been 0.8 since 2004), then upstream's. */
const LIBRARY_NAMES = ['libpcap.so.0.8', 'libpcap.so.1'];

/** Values of pcap/pcap.h. */
const PCAP_ERRBUF_SIZE = 256;
const PCAP_NETMASK_UNKNOWN = 0xffffffff;
const PCAP_TSTAMP_PRECISION_NANO = 1;
const PCAP_ERROR_BREAK = -2;

/** DLT_ values that differ from the LINKTYPE_ value of the same thing. pcap/dlt.h (Linux) */
const DLT_RAW = 12;
const DLT_PPP = 9;
const LINKTYPE_PPP = 9;

/** struct pcap_pkthdr: struct timeval ts 0 (two longs), u32 caplen 16, u32 len 20. pcap/pcap.h, 64-bit ABI */
const PKTHDR_LEN = 24;

interface Functions {
  openDead(dlt: number, snapLen: number): bigint | null;
  compile(p: bigint, program: bigint, expr: string, optimize: number, netmask: number): number;
  freecode(program: bigint): void;
  geterr(p: bigint): string;
  close(p: bigint): void;
  create(device: string, errbuf: Uint8Array): bigint | null;
  setSnapLen(p: bigint, snapLen: number): number;
  setBufferSize(p: bigint, octets: number): number;
  setTimeout(p: bigint, ms: number): number;
  setTstampPrecision(p: bigint, precision: number): number;
  getTstampPrecision(p: bigint): number;
  activate(p: bigint): number;
  statustostr(status: number): string;
  setnonblock(p: bigint, on: number, errbuf: Uint8Array): number;
  setfilter(p: bigint, program: bigint): number;
  datalink(p: bigint): number;
  selectableFd(p: bigint): number;
  nextEx(p: bigint, header: bigint, data: bigint): number;
  stats(p: bigint, stats: Uint32Array): number;
  memcpy(to: ArrayBufferView, from: bigint, length: number): unknown;
}

let loaded: Functions | undefined;

/** The functions of libpcap, loaded on first need. @throws PcapError PCAP_MISSING */
function pcap(): Functions {
  loaded ??= load();
  return loaded;
}

function load(): Functions {
  let failure: unknown;
  for (const name of LIBRARY_NAMES) {
    try {
      const lib = koffi.load(name);
      return {
        openDead: lib.func('void *pcap_open_dead(int linktype, int snaplen)'),
        compile: lib.func(
          'int pcap_compile(void *p, void *fp, const char *str, int optimize, uint32_t netmask)',
        ),
        freecode: lib.func('void pcap_freecode(void *fp)'),
        geterr: lib.func('const char *pcap_geterr(void *p)'),
        close: lib.func('void pcap_close(void *p)'),
        create: lib.func('void *pcap_create(const char *source, void *errbuf)'),
        setSnapLen: lib.func('int pcap_set_snaplen(void *p, int snaplen)'),
        setBufferSize: lib.func('int pcap_set_buffer_size(void *p, int buffer_size)'),
        setTimeout: lib.func('int pcap_set_timeout(void *p, int to_ms)'),
        setTstampPrecision: lib.func('int pcap_set_tstamp_precision(void *p, int precision)'),
        getTstampPrecision: lib.func('int pcap_get_tstamp_precision(void *p)'),
        activate: lib.func('int pcap_activate(void *p)'),
        statustostr: lib.func('const char *pcap_statustostr(int error)'),
        setnonblock: lib.func('int pcap_setnonblock(void *p, int nonblock, void *errbuf)'),
        setfilter: lib.func('int pcap_setfilter(void *p, void *fp)'),
        datalink: lib.func('int pcap_datalink(void *p)'),
        selectableFd: lib.func('int pcap_get_selectable_fd(void *p)'),
        nextEx: lib.func('int pcap_next_ex(void *p, void *pkt_header, void *pkt_data)'),
        stats: lib.func('int pcap_stats(void *p, void *ps)'),
        // Of libc, found through libpcap's own dependency on it.
        memcpy: koffi.load(null).func('void *memcpy(void *dest, const void *src, size_t n)'),
      } as Functions;
    } catch (error) {
      failure = error;
    }
  }
  throw new PcapError(
    'PCAP_MISSING',
    'libpcap is not installed; filters and --backend libpcap need it: apt-get install libpcap0.8 (Debian, Ubuntu), dnf install libpcap (Fedora), apk add libpcap (Alpine)',
    { cause: failure },
  );
}

function dltOf(linkType: number): number {
  if (linkType === LINKTYPE_RAW) return DLT_RAW;
  if (linkType === LINKTYPE_PPP) return DLT_PPP;
  return linkType;
}

function linkTypeOf(dlt: number): number {
  return dlt === DLT_RAW ? LINKTYPE_RAW : dlt;
}

/**
 * Compiles a filter in tcpdump's language (pcap-filter(7)) for savefiles or any packets that still hold their VLAN tags.
 * @param expr     the expression; empty means every packet
 * @param linkType LINKTYPE_ value of the packets
 * @param snapLen  octets that an accepted packet is cut to
 * @returns struct sock_filter[] (linux/filter.h), SOCK_FILTER_LEN octets each, native order
 * @throws PcapError PCAP_FILTER with the expression and libpcap's reason; PCAP_MISSING
 */
export function compileFilter(expr: string, linkType: number, snapLen: number): Uint8Array {
  const handle = pcap().openDead(dltOf(linkType), snapLen);
  if (handle === null) throw new PcapError('PCAP_ERROR', 'pcap_open_dead: out of memory');
  try {
    return compileWith(handle, expr);
  } finally {
    pcap().close(handle);
  }
}

/**
 * Compiles a filter for a packet socket, as tcpdump would for a live interface. Two things differ from compileFilter.
 *
 * The kernel takes a VLAN tag out of the frame before the socket's filter runs, so `vlan 5` compiled for the bytes of a
 * frame never matches. Only a live handle makes libpcap ask for the tag in the packet's metadata as well
 * (BPF_SPECIAL_VLAN_HANDLING, set in pcap_activate), so Ethernet filters are compiled on one of `lo`, which has the
 * same link type everywhere. Opening that needs CAP_NET_RAW and a `lo` that is up in the calling thread's namespace;
 * without, expressions that do not speak of VLANs compile as well on a dead handle, and the others are refused rather
 * than left to match nothing.
 *
 * A cooked socket's filter sees the network header at octet 0, while the LINKTYPE_LINUX_SLL header that the expression
 * was compiled for is written later: the offsets are moved, as libpcap's fix_program does.
 * @param link from linkLayerOf
 * @throws PcapError, as compileFilter
 */
export function compileSocketFilter(expr: string, link: LinkLayer, snapLen: number): Uint8Array {
  if (link.linkType === LINKTYPE_ETHERNET) return compileOnLoopback(expr, snapLen);
  const program = compileFilter(expr, link.linkType, snapLen);
  return link.cooked ? uncookFilter(program, expr) : program;
}

function compileOnLoopback(expr: string, snapLen: number): Uint8Array {
  let live: PcapHandle;
  try {
    // The smallest buffer: the handle is closed before it is ever read.
    live = new PcapHandle({ device: 'lo', snapLen, bufferBytes: 1 << 16, timeoutMs: 1, filter: null });
  } catch (error) {
    if (!(error instanceof PcapError) || error.code === 'PCAP_MISSING') throw error;
    const dead = compileFilter(expr, LINKTYPE_ETHERNET, snapLen);
    if (!/\bvlan\b/.test(expr)) return dead;
    throw new PcapError(
      'PCAP_FILTER',
      `filter "${expr}": \`vlan\` needs the interface lo up to be compiled (ip link set lo up)`,
      { cause: error },
    );
  }
  try {
    return live.compile(expr);
  } finally {
    live.close();
  }
}

/** Loads from the packet: BPF_LD or BPF_LDX class, BPF_ABS / BPF_IND / BPF_MSH mode. linux/bpf_common.h */
const BPF_CLASS_MASK = 0x07;
const BPF_MODE_MASK = 0xe0;
const BPF_LD = 0x00;
const BPF_LDX = 0x01;
const BPF_ABS = 0x20;
const BPF_IND = 0x40;
const BPF_MSH = 0xa0;
/** Metadata loads. linux/filter.h: SKF_AD_OFF is -0x1000. */
const SKF_AD_OFF = 0xfffff000;
const SKF_AD_PROTOCOL = 0;
const SKF_AD_PKTTYPE = 4;
/** Fields of the SLL header that have a counterpart in the metadata. pcap-linktype(7) */
const SLL_PKTTYPE_OFF = 0;
const SLL_PROTOCOL_OFF = 14;

/** Moves the packet offsets of a program for LINKTYPE_LINUX_SLL to what a SOCK_DGRAM packet socket's filter sees. */
function uncookFilter(program: Uint8Array, expr: string): Uint8Array {
  const moved = program.slice();
  const view = new Uint32Array(moved.buffer);
  const codes = new Uint16Array(moved.buffer);
  for (let i = 0; i < moved.length / SOCK_FILTER_LEN; i++) {
    const code = codes[i * 4]!;
    const cls = code & BPF_CLASS_MASK;
    const mode = code & BPF_MODE_MASK;
    const reads =
      (cls === BPF_LD && (mode === BPF_ABS || mode === BPF_IND)) || (cls === BPF_LDX && mode === BPF_MSH);
    const k = view[i * 2 + 1]!;
    if (!reads || k >= SKF_AD_OFF) continue;
    if (k >= SLL_HDR_LEN) view[i * 2 + 1] = k - SLL_HDR_LEN;
    else if (k === SLL_PROTOCOL_OFF) view[i * 2 + 1] = SKF_AD_OFF + SKF_AD_PROTOCOL;
    else if (k === SLL_PKTTYPE_OFF) view[i * 2 + 1] = SKF_AD_OFF + SKF_AD_PKTTYPE;
    else
      throw new PcapError(
        'PCAP_FILTER',
        `filter "${expr}": reads the link-level header (octet ${k}), which this interface type does not have`,
      );
  }
  return moved;
}

function compileWith(handle: bigint, expr: string): Uint8Array {
  // struct bpf_program { u_int bf_len; struct bpf_insn *bf_insns }. pcap/bpf.h
  return withResource(new NativeMemory(16), (program) => {
    if (pcap().compile(handle, program.address, expr, 1, PCAP_NETMASK_UNKNOWN) !== 0)
      throw new PcapError('PCAP_FILTER', `filter "${expr}": ${pcap().geterr(handle)}`);
    const words = new Uint32Array(program.bytes.buffer);
    const address = new BigUint64Array(program.bytes.buffer)[1]!;
    const copy = new Uint8Array(words[0]! * SOCK_FILTER_LEN);
    pcap().memcpy(copy, address, copy.length);
    pcap().freecode(program.address);
    return copy;
  });
}

/** How a live handle is opened. */
export interface PcapOptions {
  /** Device as libpcap names it ("eth0", "any", "nflog:5"). */
  device: string;
  snapLen: number;
  bufferBytes: number;
  /** Longest time that a packet waits in libpcap's buffer. */
  timeoutMs: number;
  /** pcap-filter(7), or null. */
  filter: string | null;
}

/**
 * A live libpcap handle, not blocking, with times in nanoseconds. It is opened in the calling thread's network
 * namespace and stays there; opening needs CAP_NET_RAW. It is the process's memory and cannot be handed to another.
 */
export class PcapHandle {
  /** Descriptor to poll for POLLIN. */
  readonly fd: number;
  readonly linkType: number;
  /** The packet's octets after `next`, `capLen` of them; overwritten by the next call. */
  readonly packet: Uint8Array<ArrayBuffer>;
  capLen = 0;
  wireLen = 0;
  tsSec = 0;
  tsNsec = 0;
  /** Why `next` returned 'ended', in libpcap's words. */
  reason = '';

  readonly #functions: Functions;
  readonly #device: string;
  /** Two pointers that pcap_next_ex fills: to its pcap_pkthdr, to the octets. */
  readonly #out = new NativeMemory(16);
  readonly #pointers = new BigUint64Array(this.#out.bytes.buffer);
  readonly #header = new ArrayBuffer(PKTHDR_LEN);
  readonly #headerWords = new Uint32Array(this.#header);
  readonly #headerLongs = new BigInt64Array(this.#header);
  readonly #stats = new Uint32Array(3);
  readonly #nanoScale: number;
  #handle: bigint | null;

  /** @throws PcapError with the device and libpcap's reason; PCAP_MISSING */
  constructor(options: PcapOptions) {
    this.#functions = pcap();
    this.#device = options.device;
    const f = this.#functions;
    const errbuf = new Uint8Array(PCAP_ERRBUF_SIZE);
    const handle = f.create(options.device, errbuf);
    if (handle === null) {
      this.#out.close();
      throw new PcapError('PCAP_ERROR', `pcap_create ${options.device}: ${text(errbuf)}`);
    }
    this.#handle = handle;
    try {
      f.setSnapLen(handle, options.snapLen);
      f.setBufferSize(handle, options.bufferBytes);
      f.setTimeout(handle, options.timeoutMs);
      // Refused by devices without such a clock; then the times are microseconds, and scaled.
      f.setTstampPrecision(handle, PCAP_TSTAMP_PRECISION_NANO);
      const status = f.activate(handle);
      if (status < 0) {
        const detail = f.geterr(handle);
        throw this.#error('pcap_activate', `${f.statustostr(status)}${detail === '' ? '' : ` (${detail})`}`);
      }
      this.#nanoScale = f.getTstampPrecision(handle) === PCAP_TSTAMP_PRECISION_NANO ? 1 : 1000;
      if (options.filter !== null) this.#setFilter(options.filter);
      if (f.setnonblock(handle, 1, errbuf) !== 0) throw this.#error('pcap_setnonblock', text(errbuf));
      this.fd = f.selectableFd(handle);
      if (this.fd === -1) throw this.#error('pcap_get_selectable_fd', 'the device cannot be polled');
      this.linkType = linkTypeOf(f.datalink(handle));
      this.packet = new Uint8Array(options.snapLen);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Compiles a filter on this handle: it may use the packet's metadata. @throws PcapError PCAP_FILTER */
  compile(expr: string): Uint8Array {
    return compileWith(this.#open(), expr);
  }

  /**
   * Takes the next packet into `packet`, `capLen`, `wireLen`, `tsSec` and `tsNsec`. The octets are copied (about
   * 0.3 us): a view per packet would cost 1.7 us, and libpcap's memory is reused by the next call anyway.
   * @returns 'packet', 'empty' when none is there now, 'ended' when the device is gone (see `reason`)
   */
  next(): 'packet' | 'empty' | 'ended' {
    const f = this.#functions;
    const result = f.nextEx(this.#open(), this.#out.address, this.#out.address + 8n);
    if (result === 0) return 'empty';
    if (result !== 1) {
      this.reason = result === PCAP_ERROR_BREAK ? 'no more packets' : f.geterr(this.#open());
      return 'ended';
    }
    f.memcpy(this.#headerWords, this.#pointers[0]!, PKTHDR_LEN);
    this.tsSec = Number(this.#headerLongs[0]);
    this.tsNsec = Number(this.#headerLongs[1]) * this.#nanoScale;
    this.capLen = Math.min(this.#headerWords[4]!, this.packet.length);
    this.wireLen = this.#headerWords[5]!;
    f.memcpy(this.packet, this.#pointers[1]!, this.capLen);
    return 'packet';
  }

  /**
   * pcap_stats(3): since the handle was opened, u32 each.
   * @returns ps_recv, ps_drop, ps_ifdrop; the array is reused by the next call
   */
  stats(): Uint32Array {
    const f = this.#functions;
    if (f.stats(this.#open(), this.#stats) !== 0) throw this.#error('pcap_stats', f.geterr(this.#open()));
    return this.#stats;
  }

  /** Closes the handle. Idempotent. */
  close(): void {
    if (this.#handle === null) return;
    this.#functions.close(this.#handle);
    this.#handle = null;
    this.#out.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #setFilter(expr: string): void {
    const f = this.#functions;
    const handle = this.#open();
    const status = withResource(new NativeMemory(16), (program) => {
      if (f.compile(handle, program.address, expr, 1, PCAP_NETMASK_UNKNOWN) !== 0)
        throw new PcapError('PCAP_FILTER', `filter "${expr}": ${f.geterr(handle)}`);
      const result = f.setfilter(handle, program.address);
      f.freecode(program.address);
      return result;
    });
    if (status !== 0) throw this.#error('pcap_setfilter', f.geterr(handle));
  }

  #open(): bigint {
    if (this.#handle === null) throw new PcapError('PCAP_ERROR', `${this.#device}: the handle is closed`);
    return this.#handle;
  }

  #error(operation: string, reason: string): PcapError {
    return new PcapError('PCAP_ERROR', `${operation} ${this.#device}: ${reason}`);
  }
}

/** A C string in a buffer. */
function text(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return new TextDecoder().decode(buffer.subarray(0, end === -1 ? buffer.length : end));
}
