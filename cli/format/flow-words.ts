/** What Zeek's conn_state says of a TCP connection (base/protocols/conn/main.zeek). */
const TCP_STATES: Readonly<Record<string, string>> = {
  S0: 'the originator asked for a connection, and nobody answered',
  S1: 'established, and not ended as far as it was seen',
  SF: 'established, then closed by both sides',
  REJ: 'the originator asked for a connection, and was refused',
  S2: 'established, then closed by the originator; the responder did not close',
  S3: 'established, then closed by the responder; the originator did not close',
  RSTO: 'established, then broken off by the originator (RST)',
  RSTR: 'established, then broken off by the responder (RST)',
  RSTOS0: 'the originator sent a SYN and then a RST; nobody answered',
  RSTRH: 'the responder sent SYN+ACK and then a RST; no SYN was seen',
  SH: 'the originator sent SYN and FIN; the responder was not seen',
  SHR: 'the responder sent SYN+ACK and FIN; the originator was not seen',
  OTH: 'it was under way when capture began: no SYN was seen',
};

/** … and of anything else. */
const OTHER_STATES: Readonly<Record<string, string>> = {
  S0: 'the originator sent, and nobody answered',
  SF: 'both sides sent',
  SHR: 'the responder alone sent',
};

/** A state in words; null: there is none. */
export function stateWords(state: string | null, isTcp: boolean): string | null {
  return state === null ? null : ((isTcp ? TCP_STATES : OTHER_STATES)[state] ?? null);
}

const END_REASONS: Readonly<Record<string, string>> = {
  fin: 'both sides closed it',
  rst: 'it was reset',
  idle: 'nothing came for too long (docs/timeouts.md)',
  active: 'it lives still, or did when this was written',
  evicted: 'it made room for another flow: the flow table was full',
  shutdown: 'the daemon or its interface ended',
  eof: 'the file ended',
};

/** Why a flow's record ended, in words. */
export function endWords(reason: string): string {
  return END_REASONS[reason] ?? reason;
}

/** One letter of a history in words. */
export interface HistoryStep {
  letter: string;
  /** null: of neither side. */
  side: 'originator' | 'responder' | null;
  text: string;
}

/** Of TCP, as Zeek documents `history` in conn.log. */
const LETTERS: Readonly<Record<string, string>> = {
  s: 'sent SYN: asks for a connection',
  h: 'answered SYN+ACK: accepts it',
  a: 'sent an ACK without data',
  d: 'sent data',
  f: 'sent FIN: has nothing more to send',
  r: 'sent RST: breaks the connection off',
  c: 'sent a packet with a bad checksum',
  g: 'left a gap: octets of its data were not seen',
  t: 'sent octets again (retransmission)',
  w: 'closed its window: takes no data for now',
  i: 'sent flags that contradict each other (FIN+RST)',
  q: 'sent flags that no one sends together (SYN+FIN or SYN+RST)',
};

/** Letters that come once more at ten and at a hundred of their kind. */
const SCALED = 'cgtw';
const TIMES = [
  '',
  ', ten times by now',
  ', a hundred times by now',
  ', a thousand times by now',
  ', ten thousand times by now',
];

/** A history letter by letter, in the order in which things were seen first. @param isTcp else `d` is a datagram */
export function historySteps(history: string, isTcp: boolean): HistoryStep[] {
  const seen = new Map<string, number>();
  return Array.from(history, (letter) => {
    if (letter === '^')
      return {
        letter,
        side: null,
        text: 'the two sides were exchanged: whoever was seen first is not who began it',
      };
    const kind = letter.toLowerCase();
    const side = letter === kind ? 'responder' : 'originator';
    const before = seen.get(letter) ?? 0;
    seen.set(letter, before + 1);
    const plain = !isTcp && kind === 'd' ? 'sent a packet' : (LETTERS[kind] ?? `did what has no words here`);
    const again = SCALED.includes(kind)
      ? (TIMES[before] ?? ', many times by now')
      : before > 0
        ? ', again with another sequence number'
        : '';
    return { letter, side, text: plain + again };
  });
}
