const ROW = 16;
/** Room of the octets of a row: eight groups of two with a blank before each. */
const HEX_WIDTH = 40;

/** Octets as tcpdump's -x prints them, one line for 16 of them; with what they are in ASCII, as its -X. */
export function hexLines(octets: Uint8Array, hasAscii: boolean): string[] {
  const lines: string[] = [];
  for (let at = 0; at < octets.length; at += ROW) {
    const row = octets.subarray(at, at + ROW);
    let hex = '';
    let ascii = '';
    for (let i = 0; i < row.length; i++) {
      const octet = row[i]!;
      hex += (i % 2 === 0 ? ' ' : '') + octet.toString(16).padStart(2, '0');
      ascii += octet > 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.';
    }
    const text = hasAscii ? `${hex.padEnd(HEX_WIDTH)}  ${ascii}` : hex;
    lines.push(`\t0x${at.toString(16).padStart(4, '0')}: ${text}`);
  }
  return lines;
}
