import * as k from '../../daemon/kernel/netlink-constants.ts';
import { AF_INET } from '../../daemon/kernel/constants.ts';
import { AttributeWriter } from '../../daemon/netlink/attribute.ts';
import { NetlinkError } from '../../daemon/netlink/errors.ts';
import { LiveRoutes } from '../../daemon/routes/live-snapshot.ts';
import { picker } from './random-tables.ts';

const ENOENT = 2;

/** Adds rules with the selectors that older versions of `ip` cannot write: dscp, and masks of dscp and ports (Linux 6.15). */
export function addRawRules(
  name: string,
  count: number,
  next: () => number,
  tables: readonly string[],
): void {
  const pick = picker(next);
  const live = new LiveRoutes(name);
  try {
    for (let i = 0; i < count; i++) {
      const header = new Uint8Array(12);
      header[0] = next() < 0.5 ? AF_INET : k.AF_INET6;
      header[7] = k.FR_ACT_TO_TBL;
      if (next() < 0.2) new DataView(header.buffer).setUint32(8, k.FIB_RULE_INVERT, k.LITTLE_ENDIAN);
      const body = new AttributeWriter().raw(header).u32(k.FRA_PRIORITY, 95 + i * 10);
      body.u32(k.FRA_TABLE, Number(pick(tables.map((table) => (table === 'main' ? '254' : table)))) || 253);
      if (next() < 0.6) {
        body.u8(k.FRA_DSCP, pick([0, 1, 2, 4, 0x21, 46]));
        if (next() < 0.5) body.u8(k.FRA_DSCP_MASK, pick([0x3f, 0x30, 0x07, 0x01]));
      }
      if (next() < 0.5)
        putPort(body, k.FRA_SPORT_RANGE, k.FRA_SPORT_MASK, pick([1000, 1500]), pick([0xfff0, 8]));
      if (next() < 0.3)
        putPort(body, k.FRA_DPORT_RANGE, k.FRA_DPORT_MASK, pick([80, 100]), pick([0xff00, 0xfff0]));
      send(live, body.bytes());
    }
  } finally {
    live.close();
  }
}

/** The kernel refuses a port with bits that the mask does not have. */
function putPort(body: AttributeWriter, range: number, maskType: number, port: number, mask: number): void {
  const masked = port & mask || mask;
  body.put(range, new Uint8Array(new Uint16Array([masked, masked]).buffer));
  body.put(maskType, new Uint8Array(new Uint16Array([mask]).buffer));
}

function send(live: LiveRoutes, body: Uint8Array): void {
  try {
    live.client.get({ type: k.RTM_NEWRULE, name: 'RTM_NEWRULE', object: 'test', body }, () => null);
  } catch (error) {
    // An acknowledgement alone is "no answer"; a kernel that does not know an attribute refuses the rule.
    const isExpected = error instanceof NetlinkError && (error.errno === ENOENT || error.errno === k.EINVAL);
    if (!isExpected) throw error;
  }
}
