import { TcpFlag } from '../../decoders/packet-fields.ts';

/** From the highest bit down: RFC 9293 §3.1. */
export const FLAG_LETTERS = [
  ['C', TcpFlag.CWR],
  ['E', TcpFlag.ECE],
  ['U', TcpFlag.URG],
  ['A', TcpFlag.ACK],
  ['P', TcpFlag.PSH],
  ['R', TcpFlag.RST],
  ['S', TcpFlag.SYN],
  ['F', TcpFlag.FIN],
] as const;

/** TCP flags as letters in the order CEUAPRSF; null stays null. */
export function flagLetters(bits: number | null): string | null {
  if (bits === null) return null;
  return FLAG_LETTERS.filter(([, bit]) => (bits & bit) !== 0)
    .map(([letter]) => letter)
    .join('');
}
