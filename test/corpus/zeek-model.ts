import { Upper } from '../support/outer-ip.ts';
import type { ZeekPacket } from './zeek-packets.ts';
import { Flag, Scaled, State, ZeekHistory, ZeekTcp } from './zeek-tcp.ts';

/**
 * Where nstap means to differ from Zeek, each with its reason. The model does either: with none of them it is Zeek, with all
 * of them it must be nstap.
 */
export const DEVIATIONS = {
  synAckFirst:
    'a SYN+ACK that comes first names its receiver as the originator, whatever the ports; Zeek asks the ports, for fear of stealth scans',
  lateSyn: 'the first SYN names its sender as the originator, whoever spoke before; Zeek keeps to its guess',
  lateSynEstablishes:
    'a SYN that is seen behind its SYN+ACK (two queues of one interface) establishes the connection; in Zeek the originator stays in SYN_SENT when the ports had told who it is',
  reuse:
    'a SYN that fits what was seen stays, also when one side has closed, in a simultaneous open, and of answers to one SYN; Zeek compares it with the number of the originator alone, and not at all once a side has closed',
  synNumbers:
    'a letter s or h stands again for another sequence number, as Zeek documents it; its code compares numbers relative to the SYN, which are 0, unless the side was closed or reset',
  controlPayload:
    'payload of a first SYN, and the error text of a RST, are not sent again; Zeek goes by the sequence numbers alone, and notes a t',
  cutPayload:
    'payload that the snaplen cut off was seen; Zeek cannot reassemble it, and notes a gap when it is acknowledged',
  udpLength:
    'payload of UDP is what the IP packet has behind the header; Zeek takes the length that the header states, which segmentation offload leaves wrong',
  groups:
    'whoever sends to a group is the originator: a group answers nothing; Zeek exchanges them by the ports for all but 255.255.255.255',
  states: 'SF, S0 and SHR of every protocol but TCP; Zeek has them of UDP, and OTH of others',
  optionChecksums:
    'where IPv4 options or IPv6 extension headers may name another destination no checksum is called bad; Zeek looks for that destination',
  icmpChecksums: 'a bad checksum is noted of ICMP, too; Zeek has no letters of ICMP',
  letters: 'at most 24 letters',
} as const;
export type Deviation = keyof typeof DEVIATIONS;

/**
 * Ports of servers: what the scripts of Zeek 8 register for their analyzers (`likely_server_ports`), by protocol. Of DHCP
 * that is 67 alone.
 */
const SERVER_PORTS: Readonly<Record<number, ReadonlySet<number>>> = {
  [Upper.TCP]: new Set([
    ...[21, 2811], // ftp
    ...[22, 25, 587], // ssh, smtp
    ...[53, 79, 88, 110, 143], // dns, finger, krb, pop3, imap
    ...[80, 81, 631, 1080, 3128, 8000, 8080, 8888], // http; 1080: socks, too
    ...[135, 139, 445], // dce-rpc, smb
    ...[389, 3268], // ldap
    ...[443, 563, 585, 614, 636, 989, 990, 992, 993, 995, 5223], // ssl
    ...[502, 1883, 20000], // modbus, mqtt, dnp3
    ...[1434, 3306, 5432, 6379], // mysql, postgresql, redis
    ...[3389, 5222, 5269], // rdp, xmpp
    ...[6666, 6667, 6668, 6669], // irc
  ]),
  [Upper.UDP]: new Set([
    ...[53, 137, 5353, 5355], // dns
    ...[67, 88, 123], // dhcp, krb, ntp
    ...[161, 162, 514, 1812], // snmp, syslog, radius
    ...[389, 443, 3389, 5060, 20000], // ldap, dtls and quic, rdp, sip, dnp3
    ...[2123, 2152, 3544, 4789, 6081], // gtpv1, teredo, vxlan, geneve
  ]),
};

/** Of ICMP the type that answers, for both ways. ICMP4_counterpart, ICMP6_counterpart. */
const COUNTERPARTS: Readonly<Record<number, ReadonlyMap<number, number>>> = {
  [Upper.ICMP]: bothWays([
    [8, 0],
    [13, 14],
    [15, 16],
    [10, 9],
    [17, 18],
  ]),
  [Upper.ICMPV6]: bothWays([
    [128, 129],
    [133, 134],
    [135, 136],
    [130, 131],
    [139, 140],
    [144, 145],
  ]),
};

/** Protocols whose flows have ports, of ICMP type and code. */
const WITH_PORTS = new Set<number>([
  Upper.ICMP,
  Upper.TCP,
  Upper.UDP,
  Upper.DCCP,
  Upper.ICMPV6,
  Upper.SCTP,
  Upper.UDPLITE,
]);

/** Seconds: those of docs/timeouts.md. When a flow ends for silence is no matter of Zeek's definitions. */
const IDLE = { tcpAttempt: 60, tcpEstablished: 300, tcpOver: 5, other: 60 };
/** Seconds in which the first fragment speaks for later ones, and by which a packet must be early to be of another flow. */
const FRAGMENT_LIFETIME = 60;
const CLOCK_STEP = 60;
const CLOCK_STEP_RUN = 64;
const HISTORY_MAX = 24;

/** A flow of the model. Pairs are of the originator and the responder. */
export interface ZeekFlow {
  scope: string;
  proto: number;
  src: string;
  dst: string;
  start: string;
  end: string;
  packets: [number, number];
  bytes: [number, number];
  payload: [number, number];
  state: string;
  history: string;
}

interface Endpoint {
  address: string;
  port: number;
}

type Counts = [packets: number, bytes: number, payload: number];

class Connection {
  readonly scope: string;
  readonly proto: number;
  orig: Endpoint;
  resp: Endpoint;
  start: [number, number];
  end: [number, number];
  readonly history = new ZeekHistory();
  readonly tcp: ZeekTcp | null;
  /** Packets, bytes and payload of the originator and the responder. */
  readonly counts: [Counts, Counts] = [
    [0, 0, 0],
    [0, 0, 0],
  ];
  /** Datagrams with a bad checksum, by sender. */
  badChecksums: [Scaled, Scaled] = [new Scaled(), new Scaled()];
  /** UDP_ACTIVE of the originator and the responder. */
  isActive: [boolean, boolean] = [false, false];
  /** A SYN without ACK named the originator. */
  isNamed = false;

  constructor(
    p: ZeekPacket,
    proto: number,
    src: Endpoint,
    dst: Endpoint,
    deviations: ReadonlySet<Deviation>,
  ) {
    this.scope = p.scope;
    this.proto = proto;
    this.orig = src;
    this.resp = dst;
    this.start = [p.sec, p.nsec];
    this.end = [p.sec, p.nsec];
    this.tcp = proto === Upper.TCP ? new ZeekTcp(this.history, deviations) : null;
  }

  flip(): void {
    this.exchange();
    if (this.tcp !== null) this.tcp.flip();
    else this.history.text += '^';
  }

  /** Exchanges the ends, and nothing of TCP. */
  exchange(): void {
    [this.orig, this.resp] = [this.resp, this.orig];
    this.isActive.reverse();
    this.badChecksums.reverse();
    this.counts.reverse();
  }

  get idle(): number {
    if (this.tcp === null) return IDLE.other;
    const states = [this.tcp.orig.state, this.tcp.resp.state];
    if (states.includes(State.Reset) || states.every((state) => state === State.Closed)) return IDLE.tcpOver;
    return states.every((state) => state < State.Partial) ? IDLE.tcpAttempt : IDLE.tcpEstablished;
  }
}

/** Zeek's connections of a capture, in the order of their first packets. */
export class ZeekModel {
  readonly #with: ReadonlySet<Deviation>;
  readonly #checksChecksums: boolean;
  readonly #live = new Map<string, Connection>();
  readonly #all: Connection[] = [];
  readonly #fragments = new Map<string, { sec: number; proto: number; ports: [number, number] }>();
  #now = 0;
  #behind = 0;

  /**
   * @param deviations of nstap; none: Zeek
   * @param checksChecksums a bad checksum is believed to be one; else as `zeek -C`
   */
  constructor(deviations: Iterable<Deviation>, checksChecksums: boolean) {
    this.#with = new Set(deviations);
    this.#checksChecksums = checksChecksums;
  }

  /** Takes the next packet of the capture. */
  packet(read: ZeekPacket): void {
    // A packet without a time is of the present.
    const isUndated = read.sec === 0 && read.nsec === 0 && this.#now > CLOCK_STEP;
    const p = isUndated ? { ...read, sec: this.#now } : read;
    this.#moveClock(p.sec);
    const { proto, ports } = this.#transport(p);
    const counterpart = COUNTERPARTS[proto]?.get(ports?.[0] ?? -1);
    const src = { address: p.src, port: ports?.[0] ?? 0 };
    const dst = { address: p.dst, port: counterpart ?? ports?.[1] ?? 0 };
    const isOneWay = COUNTERPARTS[proto] !== undefined && counterpart === undefined;
    const ends = [nameOf(src), nameOf(dst)];
    const key = [p.scope, proto, isOneWay, ...(isOneWay ? ends : ends.sort())].join('|');

    let c = this.#live.get(key);
    if (c !== undefined && isUndated && (c.end[0] > p.sec || (c.end[0] === p.sec && c.end[1] > 0)))
      [p.sec, p.nsec] = c.end;
    if (c !== undefined && (isLongBefore(p, c) || this.#isReuse(c, p, src))) c = undefined;
    if (c === undefined) {
      c = this.#begin(p, proto, src, dst);
      this.#live.set(key, c);
      this.#all.push(c);
    }
    this.#count(c, p, src);
  }

  /** All connections, also those that ended. */
  flows(): ZeekFlow[] {
    return this.#all.map((c) => {
      const [orig, resp] = c.counts;
      const name = (end: Endpoint): string =>
        WITH_PORTS.has(c.proto) ? `${end.address} ${end.port}` : end.address;
      return {
        scope: c.scope,
        proto: c.proto,
        src: name(c.orig),
        dst: name(c.resp),
        start: timeText(c.start),
        end: timeText(c.end),
        packets: [orig[0], resp[0]],
        bytes: [orig[1], resp[1]],
        payload: [orig[2], resp[2]],
        state: this.#stateOf(c, orig[0] > 0, resp[0] > 0),
        history: this.#with.has('letters') ? c.history.text.slice(0, HISTORY_MAX) : c.history.text,
      };
    });
  }

  /** The protocol and the ports of a packet; of a later fragment those of its first one. */
  #transport(p: ZeekPacket): { proto: number; ports: [number, number] | null } {
    if (!p.isFragment) return p;
    const key = [p.scope, p.src, p.dst, p.id, p.version === 4 ? p.proto : ''].join('|');
    if (p.ports !== null) this.#fragments.set(key, { sec: p.sec, proto: p.proto, ports: p.ports });
    if (!p.isLater || (p.version === 4 && !WITH_PORTS.has(p.proto))) return p;
    const first = this.#fragments.get(key);
    return first !== undefined && Math.abs(p.sec - first.sec) <= FRAGMENT_LIFETIME ? first : p;
  }

  /**
   * Connections end when time moves on, for silence. It is set back only when more packets in a row than there are
   * connections stay behind.
   */
  #moveClock(sec: number): void {
    if (sec > this.#now) {
      this.#now = sec;
      this.#behind = 0;
      for (const [key, c] of this.#live) {
        // The first second at which all of the timeout has passed.
        const rest = c.end[1] > 0 ? 1 : 0;
        if (sec >= c.end[0] + rest + c.idle) this.#live.delete(key);
      }
    } else if (sec < this.#now - CLOCK_STEP && ++this.#behind > Math.max(this.#live.size, CLOCK_STEP_RUN)) {
      this.#now = sec;
      this.#behind = 0;
    }
  }

  /** TCPSessionAdapter::IsReuse. */
  #isReuse(c: Connection, p: ZeekPacket, src: Endpoint): boolean {
    if (c.tcp === null || p.tcp === null || (p.tcp.flags & Flag.SYN) === 0) return false;
    const { orig, resp, isClosed } = c.tcp;
    const { seq, flags } = p.tcp;
    const isAck = (flags & Flag.ACK) !== 0;
    const isOrig = nameOf(src) === nameOf(c.orig);
    const own = isOrig ? orig : resp;
    const isOther = seq !== own.startSeq;
    if (this.#with.has('reuse')) {
      if ((flags & Flag.RST) !== 0) return false;
      const isSeen =
        own.state !== State.Inactive && !(own.state === State.Reset && own.before === State.Inactive);
      if (isAck) {
        const isAnswer = !isOrig && orig.state === State.Inactive;
        return isAnswer && isSeen && isOther && p.tcp.ack !== c.tcp.lastAck;
      }
      if (orig.state === State.Closed && resp.state === State.Closed) return true;
      // Of a side that sent nothing the peer's acknowledgment tells where it began.
      if (isSeen || own.startSeq !== 0) return isOther;
      return orig.state === State.Reset || resp.state === State.Reset;
    }
    if (isAck && orig.state !== State.Inactive) return false;
    if (isClosed) return true;
    if (seq === (isAck ? resp : orig).startSeq) return false;
    const isLateSyn =
      orig.state === State.SynAckSent && resp.state === State.Inactive && seq === resp.startSeq;
    return isAck || !isLateSyn;
  }

  /** NewConn and WantConnection: who is the originator? */
  #begin(p: ZeekPacket, proto: number, src: Endpoint, dst: Endpoint): Connection {
    const c = new Connection(p, proto, src, dst, this.#with);
    const servers = SERVER_PORTS[proto];
    const { flags } = p;
    const isSyn = (flags & Flag.SYN) !== 0;
    const isAck = (flags & Flag.ACK) !== 0;
    c.isNamed = isSyn && !isAck;
    if (isSyn && isAck && this.#with.has('synAckFirst')) c.flip();
    else if (servers?.has(src.port) && !c.isNamed) {
      const isBoth = servers.has(dst.port);
      const isAnswer = !isBoth || (proto === Upper.TCP && !isSyn && src.port < dst.port);
      if (isAnswer && !this.#isNeverOriginator(dst.address)) c.flip();
    }
    return c;
  }

  #isNeverOriginator(address: string): boolean {
    if (address === '255.255.255.255') return true;
    if (!this.#with.has('groups')) return false;
    return address.includes(':') ? /^ff/.test(address) : /^2(2[4-9]|3\d)\./.test(address);
  }

  #count(c: Connection, p: ZeekPacket, src: Endpoint): void {
    if (isEarlier([p.sec, p.nsec], c.start)) c.start = [p.sec, p.nsec];
    if (isEarlier(c.end, [p.sec, p.nsec])) c.end = [p.sec, p.nsec];
    const isOrig = (): boolean => nameOf(src) === nameOf(c.orig);
    const counts = c.counts[isOrig() ? 0 : 1];
    counts[0]++;
    counts[1] += p.wireLen;
    const isUdpStated = c.proto === Upper.UDP && !this.#with.has('udpLength');
    counts[2] += isUdpStated ? p.udpPayload : p.payload;
    if (this.#checksChecksums && this.#isBad(p)) {
      const noted = c.proto === Upper.UDP || this.#with.has('icmpChecksums');
      if (c.tcp !== null) c.tcp.badChecksum(isOrig());
      else if (noted && c.badChecksums[isOrig() ? 0 : 1].bump()) c.history.add(isOrig(), 'c');
      return;
    }
    c.isActive[isOrig() ? 0 : 1] = true;
    if (c.proto === Upper.UDP) c.history.check(isOrig(), 'd');
    if (c.tcp === null || p.tcp === null) return;
    const isBareSyn = (p.tcp.flags & (Flag.SYN | Flag.ACK | Flag.RST)) === Flag.SYN;
    if (isBareSyn && !c.isNamed && this.#with.has('lateSyn')) {
      if (!isOrig()) {
        c.flip();
        c.history.exchange();
      }
      c.isNamed = true;
    }
    const before = c.tcp.orig;
    c.tcp.segment(isOrig(), p.tcp, p.isWhole);
    // The flip of a SYN behind its SYN+ACK, in Zeek.
    if (c.tcp.orig !== before) c.exchange();
  }

  /** A packet that is believed to be damaged. Before it looks at the checksum Zeek wants the whole header. */
  #isBad(p: ZeekPacket): boolean {
    if (!p.isChecksumBad || !p.isWhole || (p.proto === Upper.TCP && p.tcp === null)) return false;
    return !p.hasOptions || !this.#with.has('optionChecksums');
  }

  #stateOf(c: Connection, didOrigSend: boolean, didRespSend: boolean): string {
    if (c.tcp !== null) return c.tcp.state;
    if (c.proto !== Upper.UDP && !this.#with.has('states')) return 'OTH';
    const [orig, resp] = c.proto === Upper.UDP ? c.isActive : [didOrigSend, didRespSend];
    if (orig) return resp ? 'SF' : 'S0';
    return resp ? 'SHR' : 'OTH';
  }
}

/** The flows of a capture's packets. */
export function zeekFlows(
  packets: readonly ZeekPacket[],
  deviations: Iterable<Deviation>,
  checksChecksums: boolean,
): ZeekFlow[] {
  const model = new ZeekModel(deviations, checksChecksums);
  for (const packet of packets) model.packet(packet);
  return model.flows();
}

/** Whether a packet is older than all of a connection by more than would have ended it the other way round. */
function isLongBefore(p: ZeekPacket, c: Connection): boolean {
  const early = c.start[0] - p.sec;
  return early > CLOCK_STEP && early > c.idle;
}

function bothWays(pairs: readonly [number, number][]): Map<number, number> {
  return new Map(
    pairs.flatMap(([a, b]): [number, number][] => [
      [a, b],
      [b, a],
    ]),
  );
}

function nameOf({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}

function isEarlier(a: [number, number], b: [number, number]): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}

function timeText([sec, nsec]: [number, number]): string {
  return `${sec}.${String(nsec).padStart(9, '0')}`;
}
