import { ALL_DEVICES } from './random-devices.ts';
import { picker, random } from './random-tables.ts';

/** What a namespace under test is made of. */
export interface RandomRound {
  name: string;
  seed: number;
  routes: number;
  rules: number;
  tables: string[];
  sysctls: string[];
  /** Interfaces of all kinds, not d0 to d3 alone. */
  wide?: boolean;
}

/** A random namespace: its size, its tables and what its sysctls are set to. */
export function randomRound(seed: number): RandomRound {
  const next = random(seed * 7919);
  const pick = picker(next);
  const sysctls: string[] = [];
  const set = (name: string, value: number): void => {
    sysctls.push(`${name}=${value}`);
  };
  if (next() < 0.7) set('net.ipv4.ip_forward', 1);
  if (next() < 0.7) set('net.ipv6.conf.all.forwarding', 1);
  if (next() < 0.3) set('net.ipv4.conf.all.rp_filter', pick([0, 1, 2]));
  if (next() < 0.15) set('net.ipv4.conf.all.accept_local', 1);
  if (next() < 0.1) set('net.ipv4.conf.all.route_localnet', 1);
  if (next() < 0.15) set('net.ipv4.conf.all.src_valid_mark', 1);
  if (next() < 0.3) set('net.ipv4.conf.all.send_redirects', 0);
  if (next() < 0.3) set('net.ipv4.conf.all.bc_forwarding', 1);
  if (next() < 0.1) set('net.ipv4.conf.all.ignore_routes_with_linkdown', 1);
  if (next() < 0.1) set('net.ipv6.conf.all.ignore_routes_with_linkdown', 1);
  if (next() < 0.3) set('net.ipv4.fib_multipath_hash_policy', 1);
  if (next() < 0.3) set('net.ipv6.fib_multipath_hash_policy', 1);
  for (const device of ALL_DEVICES) {
    if (next() < 0.15) set(`net.ipv4.conf.${device}.forwarding`, pick([0, 1]));
    if (next() < 0.15) set(`net.ipv6.conf.${device}.forwarding`, pick([0, 1]));
    if (next() < 0.25) set(`net.ipv4.conf.${device}.rp_filter`, pick([0, 1, 2]));
    if (next() < 0.1) set(`net.ipv4.conf.${device}.accept_local`, 1);
    if (next() < 0.1) set(`net.ipv4.conf.${device}.route_localnet`, 1);
    if (next() < 0.1) set(`net.ipv4.conf.${device}.ignore_routes_with_linkdown`, 1);
    if (next() < 0.1) set(`net.ipv6.conf.${device}.ignore_routes_with_linkdown`, 1);
    if (next() < 0.3) set(`net.ipv4.conf.${device}.send_redirects`, 0);
    if (next() < 0.2) set(`net.ipv4.conf.${device}.bc_forwarding`, 1);
    if (next() < 0.1) set(`net.ipv4.conf.${device}.src_valid_mark`, 1);
    if (next() < 0.05) set(`net.ipv6.conf.${device}.disable_ipv6`, 1);
    if (next() < 0.05) set(`net.ipv6.conf.${device}.force_forwarding`, 1);
  }
  return {
    name: `random ${seed}`,
    seed,
    routes: pick([10, 60, 200, 400]),
    rules: pick([0, 0, 5, 15, 40]),
    tables: pick([['main'], ['main', 'default'], ['main', '100', '200', '4242']]),
    sysctls,
    wide: true,
  };
}
