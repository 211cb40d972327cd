import { groupNames, parseNumber, tableNames } from '../netlink/names.ts';
import { type AddrListing, type ListedLink, ListingBuilder } from './addr-listing.ts';
import { addressText, FieldReader } from './json-fields.ts';
import { ADDRESS_FLAGS, hardwareAddress, linkFlags, linkType, operState } from './link-words.ts';

/**
 * Reads the value of `ip -j addr`, also with -4, -6, -o, -d, -br, or of `ip -j link`. Fields that say nothing about routing
 * are passed over.
 * @throws RouteTextError
 */
export function parseAddrJson(value: readonly unknown[], source: string): AddrListing {
  const builder = new ListingBuilder();
  for (const item of value) {
    const fields = new FieldReader(source, item);
    // `ip -j -4 addr` of older iproute2 prints {} for an interface without an address of that family.
    if (!fields.has('ifname') && !fields.has('addr_info')) continue;
    const listed = fields.has('ifname') ? readLink(fields, builder) : null;
    for (const address of fields.list('addr_info')) readAddress(address, listed, builder);
  }
  return builder.finish();
}

function open(fields: FieldReader, index: string, name: string, builder: ListingBuilder): ListedLink {
  const shown = fields.text(name);
  if (shown === null) throw fields.error(name, 'is missing: no value of `ip -j addr`');
  const listed = builder.link(fields.number(index), shown);
  if (listed === null)
    throw fields.error(name, 'has another number, or another name, than before: is this of one namespace?');
  return listed;
}

function readLink(fields: FieldReader, builder: ListingBuilder): ListedLink {
  const listed = open(fields, 'ifindex', 'ifname', builder);
  const { link } = listed;
  const flags = fields.raw('flags');
  if (Array.isArray(flags)) {
    const bits = linkFlags(flags.map(String));
    if (typeof bits === 'string') throw fields.error('flags', `"${bits}" is no flag that is known`);
    link.flags = bits;
  }
  link.mtu = fields.number('mtu') ?? link.mtu;
  link.operState = fields.value('operstate', 'a state', operState) ?? link.operState;
  const group = fields.text('group');
  const groupNumber = group === null ? null : groupNames.number(group);
  if (groupNumber !== null) link.group = groupNumber;
  listed.master = fields.text('master') ?? listed.master;
  const lowerIndex = fields.number('link_index');
  listed.lower = fields.text('link') ?? (lowerIndex === null ? listed.lower : `if${lowerIndex}`);
  const netnsId = fields.value('link_netnsid', 'a number', (text) =>
    text === '-1' ? -1 : parseNumber(text),
  );
  if (netnsId !== null) link.linkNetnsId = netnsId;
  if (fields.has('link_type')) {
    listed.isWhole = true;
    link.arpType = fields.value('link_type', 'a type of link', linkType)!;
    // Of "none" there is no address, or an empty one.
    link.address = fields.value('address', 'an address', (text) =>
      text === '' ? '' : hardwareAddress(text),
    );
    if (link.address === '') link.address = null;
  }
  const info = fields.object('linkinfo');
  if (info !== null) {
    link.kind = info.text('info_kind');
    link.slaveKind = info.text('info_slave_kind');
    const data = link.kind === 'vrf' ? info.object('info_data') : null;
    const table = data?.value('table', 'a table', (name) => tableNames.number(name)) ?? null;
    if (table !== null) link.vrfTable = table;
  }
  return listed;
}

/** @param listed null where `ip -j -o` gives addresses that name their interface themselves */
function readAddress(fields: FieldReader, listed: ListedLink | null, builder: ListingBuilder): void {
  // Some versions print {} for what a filter left out.
  if (!fields.has('local') && !fields.has('address')) return;
  const { link } = listed ?? open(fields, 'index', 'dev', builder);
  const local = fields.value('local', 'an address', addressText);
  const peer = fields.value('address', 'an address', addressText);
  const address = (local ?? peer)!;
  const length = fields.number('prefixlen');
  const family = address.includes(':') ? 6 : 4;
  if (length === null || length > (family === 4 ? 32 : 128))
    throw fields.error('prefixlen', `should be the length of a prefix of IPv${family}`);
  const flags = [...ADDRESS_FLAGS].filter((flag) => fields.raw(flag) === true);
  const label = fields.text('label');
  builder.address({
    family,
    ifIndex: link.ifIndex,
    address,
    prefixLen: length,
    broadcast: fields.value('broadcast', 'an address', addressText),
    scope: fields.text('scope') ?? 'global',
    ...(local !== null && peer !== null ? { peer } : {}),
    ...(label === null ? {} : { label }),
    ...(flags.length === 0 ? {} : { flags }),
  });
}
