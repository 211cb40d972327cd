/**
 * Classic BPF, interpreted: so that `--filter` means the same in a replayed file as in the kernel. The program is what
 * libpcap compiled. S. McCanne, V. Jacobson, "The BSD Packet Filter" (1993); linux/filter.h struct sock_filter.
 */

/** Octets of struct sock_filter: u16 code, u8 jt, u8 jf, u32 k; host byte order. */
const SOCK_FILTER_BYTES = 8;
/** BPF_MEMWORDS. */
const MEMORY_WORDS = 16;

const LD = 0x00;
const LDX = 0x01;
const ST = 0x02;
const STX = 0x03;
const ALU = 0x04;
const JMP = 0x05;
const RET = 0x06;
/** Source operand is X rather than k. */
const SRC_X = 0x08;

/** A compiled filter that runs over packets in a DataView. */
export class BpfFilter {
  readonly #code: Uint16Array;
  readonly #jt: Uint8Array;
  readonly #jf: Uint8Array;
  readonly #k: Int32Array;
  readonly #memory = new Int32Array(MEMORY_WORDS);

  /** @param program array of struct sock_filter, as libpcap and SO_ATTACH_FILTER have it, little-endian host */
  constructor(program: Uint8Array) {
    const n = program.byteLength / SOCK_FILTER_BYTES;
    const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
    this.#code = new Uint16Array(n);
    this.#jt = new Uint8Array(n);
    this.#jf = new Uint8Array(n);
    this.#k = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      this.#code[i] = view.getUint16(i * SOCK_FILTER_BYTES, true);
      this.#jt[i] = view.getUint8(i * SOCK_FILTER_BYTES + 2);
      this.#jf[i] = view.getUint8(i * SOCK_FILTER_BYTES + 3);
      this.#k[i] = view.getInt32(i * SOCK_FILTER_BYTES + 4, true);
    }
  }

  /**
   * True when the packet passes. A load outside the captured octets rejects the packet, as in the kernel.
   * @param off first octet of the frame
   * @param capLen captured octets
   * @param wireLen original length (what `len` and `greater`/`less` test)
   */
  matches(view: DataView, off: number, capLen: number, wireLen: number): boolean {
    const code = this.#code;
    let a = 0;
    let x = 0;
    for (let pc = 0; pc < code.length; pc++) {
      const op = code[pc]!;
      const k = this.#k[pc]!;
      switch (op & 0x07) {
        case RET:
          return ((op & 0x18) === 0x10 ? a : k) !== 0;
        case LD:
        case LDX: {
          const mode = op & 0xe0;
          let value = k;
          if (mode === 0x60) value = this.#memory[k]!;
          else if (mode === 0x80) value = wireLen;
          else if (mode !== 0x00) {
            // BPF_ABS, BPF_IND, BPF_MSH: packet octets in network order. Index plus offset does not wrap: a negative index is
            // one beyond every packet, as in libpcap's bpf_filter.c.
            const at = mode === 0x40 ? (x >>> 0) + (k >>> 0) : k >>> 0;
            const size = mode === 0xa0 ? 1 : (op & 0x18) === 0x00 ? 4 : (op & 0x18) === 0x08 ? 2 : 1;
            if (at + size > capLen) return false;
            if (mode === 0xa0) value = (view.getUint8(off + at) & 0x0f) << 2;
            else if (size === 4) value = view.getInt32(off + at);
            else value = size === 2 ? view.getUint16(off + at) : view.getUint8(off + at);
          }
          if ((op & 0x07) === LD) a = value;
          else x = value;
          break;
        }
        case ST:
          this.#memory[k] = a;
          break;
        case STX:
          this.#memory[k] = x;
          break;
        case ALU: {
          const operand = (op & SRC_X) !== 0 ? x : k;
          const operation = op & 0xf0;
          if (operand === 0 && (operation === 0x30 || operation === 0x90)) return false;
          a = alu(operation, a, operand);
          break;
        }
        case JMP: {
          const operand = (op & SRC_X) !== 0 ? x : k;
          const operation = op & 0xf0;
          if (operation === 0x00) pc += k;
          else pc += jumps(operation, a, operand) ? this.#jt[pc]! : this.#jf[pc]!;
          break;
        }
        default:
          // BPF_MISC: TAX, TXA
          if ((op & 0xf8) === 0x00) x = a;
          else a = x;
      }
    }
    return false;
  }
}

function alu(operation: number, a: number, b: number): number {
  switch (operation) {
    case 0x00:
      return (a + b) | 0;
    case 0x10:
      return (a - b) | 0;
    case 0x20:
      return Math.imul(a, b);
    case 0x30:
      return ((a >>> 0) / (b >>> 0)) | 0;
    case 0x40:
      return a | b;
    case 0x50:
      return a & b;
    case 0x60:
      return b >>> 0 > 31 ? 0 : a << b;
    case 0x70:
      return b >>> 0 > 31 ? 0 : (a >>> b) | 0;
    case 0x80:
      return -a | 0;
    case 0x90:
      return ((a >>> 0) % (b >>> 0)) | 0;
    default:
      return a ^ b; // BPF_XOR
  }
}

function jumps(operation: number, a: number, b: number): boolean {
  switch (operation) {
    case 0x10:
      return a === b;
    case 0x20:
      return a >>> 0 > b >>> 0;
    case 0x30:
      return a >>> 0 >= b >>> 0;
    default:
      return (a & b) !== 0; // BPF_JSET
  }
}
