/** What a hint is of. */
export const HintKind = { none: 0, dns: 1, tls: 2, http: 3, ssh: 4 } as const;

/** Octets kept of a text; a domain name (RFC 1035 §2.3.4) and an SSH banner (RFC 4253 §4.2) have no more. */
export const HINT_TEXT_MAX = 255;

/** A text of a hint, in a buffer that is used again. */
export class HintText {
  readonly octets = new Uint8Array(HINT_TEXT_MAX);
  length = 0;

  /** Appends an octet; what HINT_TEXT_MAX has no room for is left out. */
  push(octet: number): void {
    if (this.length < HINT_TEXT_MAX) this.octets[this.length++] = octet;
  }

  /** Takes over octets `off` to `end` of `view`, each of which is printable ASCII or becomes "?". */
  copy(view: DataView, off: number, end: number): void {
    this.length = 0;
    const stop = Math.min(end, off + HINT_TEXT_MAX);
    for (let at = off; at < stop; at++) {
      const octet = view.getUint8(at);
      this.octets[this.length++] = octet >= 0x20 && octet < 0x7f ? octet : 0x3f;
    }
  }
}

/**
 * The one reused result of reading what an application says of itself in the first octets of a flow. Parsers fill it
 * only when they return true. Texts are printable ASCII.
 */
export class Hint {
  /** One of HintKind. */
  kind: number = HintKind.none;
  /** DNS: the name that is asked for. TLS: server name. HTTP: host. SSH: banner of the sender. Length 0: none. */
  readonly name = new HintText();
  /** TLS: protocols of ALPN that the client offers, with commas between. HTTP: method. */
  readonly detail = new HintText();
  /** DNS: type that is asked for. HTTP: status. -1: none. */
  code = -1;
  /** DNS: RCODE of an answer. -1: it is a question. */
  rcode = -1;
  /** DNS: identification of the message. */
  id = 0;
  /**
   * A ClientHello, or the head of a request, goes on beyond the octets at hand, and a name may still come. It may say so of
   * what is not known to be anything yet: then `kind` is none.
   */
  isPartial = false;

  /** Forgets everything. */
  clear(): void {
    this.kind = HintKind.none;
    this.name.length = 0;
    this.detail.length = 0;
    this.code = -1;
    this.rcode = -1;
    this.id = 0;
    this.isPartial = false;
  }
}
