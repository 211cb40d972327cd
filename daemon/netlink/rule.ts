import * as k from '../kernel/netlink-constants.ts';
import type { SnapshotRule } from '../routes/snapshot.ts';
import type { AttributeCursor } from './attribute.ts';
import { NetlinkFormatError } from './errors.ts';
import { IP_VERSIONS, openAttributes, readAddress } from './family.ts';

/** struct fib_rule_hdr: family, dst_len, src_len, tos, table, res, res, action: u8 0..7; flags u32 8. linux/fib_rules.h */
const FIB_RULE_HDR_LEN = 12;

const RULE_ACTIONS: ReadonlyMap<number, SnapshotRule['action']> = new Map([
  [k.FR_ACT_TO_TBL, 'lookup'],
  [k.FR_ACT_GOTO, 'goto'],
  [k.FR_ACT_NOP, 'nop'],
  [k.FR_ACT_BLACKHOLE, 'blackhole'],
  [k.FR_ACT_UNREACHABLE, 'unreachable'],
  [k.FR_ACT_PROHIBIT, 'prohibit'],
]);

/** Attributes that select nothing: FRA_FLOW (realms), FRA_PAD, FRA_PROTOCOL (who added it). linux/fib_rules.h */
const FRA_NO_SELECTOR: ReadonlySet<number> = new Set([11, 18, 21]);

/** An RTM_NEWRULE or RTM_DELRULE; null for a family that is not IP. @throws NetlinkFormatError */
export function parseRule(view: DataView, off: number, end: number): SnapshotRule | null {
  const attributes = openAttributes(view, off, end, FIB_RULE_HDR_LEN, 'fib_rule_hdr');
  const family = IP_VERSIONS.get(view.getUint8(off));
  if (family === undefined) return null;
  const toLen = view.getUint8(off + 1);
  const fromLen = view.getUint8(off + 2);
  const action = view.getUint8(off + 7);
  const anyAddress = family === 4 ? '0.0.0.0' : '::';
  const unsupported: string[] = [];
  const rule: SnapshotRule = {
    family,
    // The kernel leaves a priority of 0 out.
    priority: 0,
    not: (view.getUint32(off + 8, k.LITTLE_ENDIAN) & k.FIB_RULE_INVERT) !== 0,
    from: fromLen === 0 ? null : `${anyAddress}/${fromLen}`,
    to: toLen === 0 ? null : `${anyAddress}/${toLen}`,
    iif: null,
    oif: null,
    fwmark: null,
    fwmask: null,
    tos: view.getUint8(off + 3) || null,
    ipProto: null,
    sport: null,
    dport: null,
    uidRange: null,
    l3mdev: false,
    action: RULE_ACTIONS.get(action) ?? 'nop',
    table: view.getUint8(off + 4),
    goto: null,
    suppressPrefixLen: null,
    suppressIfGroup: null,
  };
  if (!RULE_ACTIONS.has(action)) unsupported.push(`action ${action}`);
  while (attributes.next()) {
    switch (attributes.type) {
      case k.FRA_PRIORITY:
        rule.priority = attributes.u32();
        break;
      case k.FRA_SRC:
        rule.from = `${readAddress(attributes, family)}/${fromLen}`;
        break;
      case k.FRA_DST:
        rule.to = `${readAddress(attributes, family)}/${toLen}`;
        break;
      case k.FRA_IIFNAME:
        rule.iif = attributes.text();
        break;
      case k.FRA_OIFNAME:
        rule.oif = attributes.text();
        break;
      case k.FRA_FWMARK:
        rule.fwmark = attributes.u32();
        break;
      case k.FRA_FWMASK:
        rule.fwmask = attributes.u32();
        break;
      case k.FRA_IP_PROTO:
        rule.ipProto = attributes.u8();
        break;
      case k.FRA_SPORT_RANGE:
        rule.sport = readPortRange(attributes);
        break;
      case k.FRA_DPORT_RANGE:
        rule.dport = readPortRange(attributes);
        break;
      case k.FRA_UID_RANGE:
        rule.uidRange = readUidRange(attributes);
        break;
      case k.FRA_L3MDEV:
        rule.l3mdev = attributes.u8() !== 0;
        break;
      case k.FRA_TABLE:
        rule.table = attributes.u32();
        break;
      case k.FRA_GOTO:
        rule.goto = attributes.u32();
        break;
      case k.FRA_SUPPRESS_PREFIXLEN:
        rule.suppressPrefixLen = unlessMinusOne(attributes);
        break;
      case k.FRA_SUPPRESS_IFGROUP:
        rule.suppressIfGroup = unlessMinusOne(attributes);
        break;
      case k.FRA_DSCP:
        rule.dscp = attributes.u8();
        break;
      // All ones goes with every rule for a single port or DSCP (6.15).
      case k.FRA_SPORT_MASK:
        if (attributes.u16() !== 0xffff) rule.sportMask = attributes.u16();
        break;
      case k.FRA_DPORT_MASK:
        if (attributes.u16() !== 0xffff) rule.dportMask = attributes.u16();
        break;
      case k.FRA_DSCP_MASK:
        if (attributes.u8() !== 0x3f) rule.dscpMask = attributes.u8();
        break;
      case k.FRA_TUN_ID:
        unsupported.push('tun_id');
        break;
      default:
        if (!FRA_NO_SELECTOR.has(attributes.type)) unsupported.push(`attribute ${attributes.type}`);
    }
  }
  // Mark and mask go together; a mask without a mark selects mark 0.
  if (rule.fwmark !== null || rule.fwmask !== null) {
    rule.fwmark ??= 0;
    rule.fwmask ??= 0xffffffff;
  }
  if (rule.action !== 'lookup' || rule.l3mdev) rule.table = 0;
  if (unsupported.length > 0) rule.unsupported = unsupported;
  return rule;
}

/** The kernel stores "not set" as -1 and sends it. */
function unlessMinusOne(attribute: AttributeCursor): number | null {
  const value = attribute.i32();
  return value === -1 ? null : value;
}

/** struct fib_rule_port_range: start u16 0, end u16 2. linux/fib_rules.h */
function readPortRange(attribute: AttributeCursor): [number, number] {
  if (attribute.length < 4) throw new NetlinkFormatError('port range is too short', attribute.off);
  return [attribute.u16(), attribute.view.getUint16(attribute.off + 2, k.LITTLE_ENDIAN)];
}

/** struct fib_rule_uid_range: start u32 0, end u32 4. linux/fib_rules.h */
function readUidRange(attribute: AttributeCursor): [number, number] {
  if (attribute.length < 8) throw new NetlinkFormatError('uid range is too short', attribute.off);
  return [attribute.u32(), attribute.view.getUint32(attribute.off + 4, k.LITTLE_ENDIAN)];
}
