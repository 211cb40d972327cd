import type { Pick } from './random-tables.ts';

/**
 * Interfaces of a namespace under test. d0 to d3, br0, mv0 and if0 have a carrier; nc0 has none, tun0 neither; dn0 is down. b0 is
 * a port of the bridge. Each has 10.9.N.1/24 and fd00:9:N::1/64 for its number in this list.
 */
export const ALL_DEVICES = ['d0', 'd1', 'd2', 'd3', 'br0', 'mv0', 'if0', 'nc0', 'tun0', 'dn0'] as const;

/** What `ip link add` needs to know of each. */
const KINDS: Readonly<Record<string, string>> = {
  d0: 'type veth peer name p0',
  d1: 'type veth peer name p1',
  d2: 'type veth peer name p2',
  d3: 'type veth peer name p3',
  br0: 'type bridge',
  if0: 'type ifb',
  nc0: 'type veth peer name nd0',
  dn0: 'type ifb',
};

/** `ip -batch` lines that make the interfaces, one way or the other; the order matters, so run without -force. */
export function deviceCommands(next: () => number, pick: Pick): string[] {
  const lines: string[] = [];
  ALL_DEVICES.forEach((device, i) => {
    // A fixed hardware address makes the link-local address, and so the run, repeatable.
    const mac = `address 02:00:00:00:09:${(i + 16).toString(16)}`;
    if (device === 'mv0') lines.push(`link add link d0 name mv0 ${mac} type macvlan mode bridge`);
    else if (device === 'tun0') lines.push('tuntap add tun0 mode tun');
    else lines.push(`link add ${device} ${mac} ${KINDS[device]}`);
  });
  lines.push('link add b0 address 02:00:00:00:09:80 type veth peer name q0 address 02:00:00:00:09:81');
  lines.push('link set b0 master br0');
  [0, 1, 2, 3].forEach((i) => {
    lines.push(`link set p${i} address 02:00:00:00:09:9${i}`);
  });
  for (const device of ['p0', 'p1', 'p2', 'p3', 'q0', 'b0', ...ALL_DEVICES])
    if (device !== 'dn0') lines.push(`link set ${device} up`);
  for (const device of ALL_DEVICES)
    if (next() < 0.3) lines.push(`link set ${device} group ${pick([1, 2, 7])}`);
  return lines;
}

/** `ip -batch` lines that give the interfaces their addresses, and some of all other kinds. */
export function addressCommands(next: () => number): string[] {
  const lines: string[] = [];
  ALL_DEVICES.forEach((device, i) => {
    if (next() < 0.1) return;
    lines.push(`addr add 10.9.${i}.1/24 brd + dev ${device}`);
    lines.push(`-6 addr add fd00:9:${i}::1/64 dev ${device} nodad`);
  });
  const extra = [
    'addr add 10.9.0.77/24 dev d0',
    'addr add 10.9.1.129/25 brd 10.9.1.255 dev d1',
    'addr add 10.9.20.1/32 dev lo',
    'addr add 192.0.2.1/24 dev lo',
    'addr add 10.9.21.0/31 dev d3',
    'addr add 10.9.22.1/30 brd + dev d2',
    'addr add 10.9.23.1 peer 10.9.23.2/32 dev d1',
    'addr add 10.9.24.1 peer 10.9.25.0/24 dev d2',
    'addr add 10.9.26.1/32 scope host dev d0',
    'addr add 169.254.7.1/16 brd + scope link dev d2',
    'addr add 10.9.27.1/24 brd 10.9.27.77 dev br0',
    'addr add 10.1.2.1/16 brd + dev if0 noprefixroute',
    '-6 addr add fd00:9:20::1/128 dev lo',
    '-6 addr add fd00:9:21::1 peer fd00:9:22::2 dev d1 nodad',
    '-6 addr add 2001:db8::1/48 dev d3 nodad',
    '-6 addr add fd00:9:0::77/64 dev d0 nodad',
    '-6 addr add fec0::5/64 dev d2 nodad',
  ];
  for (const line of extra) if (next() < 0.4) lines.push(line);
  return lines;
}
