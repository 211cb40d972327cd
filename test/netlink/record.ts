// Records fixtures/netlink/lab.hex: node test/netlink/record.ts (as root). The namespace is made here and removed again.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { openNetlinkSocket } from '../../daemon/kernel/netlink-socket.ts';
import { openNetns } from '../../daemon/kernel/netns.ts';
import { NetlinkClient, type NetlinkTransport } from '../../daemon/netlink/dump.ts';
import { dumpRouting } from '../../daemon/netlink/rtnetlink.ts';
import { assembleSnapshot } from '../../daemon/routes/assemble.ts';
import { ipBatch } from '../routes/ip-batch.ts';

const NAME = `nsb-record-${process.pid}`;
const SETUP = [
  'link set lo up',
  'link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02',
  'link add br0 address 02:00:00:00:00:03 type bridge',
  'link set v1 master br0',
  'link set v0 up',
  'link set v1 up',
  'link set br0 up',
  'addr add 10.9.0.1/24 brd + dev v0',
  'addr add 10.8.0.1 peer 10.8.0.2/32 dev br0',
  '-6 addr add fd00:9::1/64 dev v0 nodad',
  'route add default via 10.9.0.254 dev v0 metric 600 proto dhcp',
  'route add 10.1.0.0/16 nexthop via 10.9.0.2 weight 2 nexthop via 10.9.0.3',
  'route add 10.2.0.0/16 via inet6 fe80::1 dev v0 onlink',
  'route add blackhole 10.3.0.0/16 table 100',
  'route add 10.4.0.0/16 tos 0x10 via 10.9.0.4 dev v0 src 10.9.0.1 mtu 1400 table 4242 proto 77 scope site',
  'nexthop add id 7 via 10.9.0.9 dev v0',
  'nexthop add id 8 via 10.9.0.8 dev v0',
  'nexthop add id 9 group 7,2/8',
  'nexthop add id 10 blackhole',
  'route add 10.5.0.0/16 nhid 9',
  'route add 10.6.0.0/16 nhid 10',
  '-6 route add fd01::/16 via fd00:9::2 dev v0 pref high',
  '-6 route add fd02::/16 nexthop via fd00:9::2 dev v0 nexthop via fd00:9::3 dev v0',
  '-6 route add fd03::/16 from fd00:9::/64 via fd00:9::2 dev v0',
  '-6 route add prohibit fd04::/16',
  'rule add pref 100 not from 10.7.0.0/16 iif v0 fwmark 0x1/0xff lookup 100 suppress_prefixlength 0',
  'rule add pref 110 to 10.9.0.0/24 tos 0x10 ipproto tcp sport 10-20 dport 80 uidrange 0-10 lookup 4242',
  'rule add pref 120 oif gone goto 130',
  'rule add pref 130 type nop',
  'rule add pref 140 prohibit from 10.66.0.0/16',
  '-6 rule add pref 100 from fd00:9::/64 lookup 100',
];

execFileSync('ip', ['netns', 'add', NAME]);
try {
  const dad = ['net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0'];
  execFileSync('ip', ['netns', 'exec', NAME, 'sysctl', '-qw', ...dad]);
  ipBatch(
    NAME,
    SETUP.filter((line) => line.startsWith('link')),
    false,
  );
  execFileSync('sleep', ['0.5']);
  ipBatch(
    NAME,
    SETUP.filter((line) => !line.startsWith('link')),
    false,
  );
  execFileSync('ip', [
    'netns',
    'exec',
    NAME,
    'sysctl',
    '-qw',
    'net.ipv4.ip_forward=1',
    'net.ipv4.conf.v0.rp_filter=2',
  ]);
  const lines = [
    `# Answers of Linux ${release()} (little-endian) to the dumps of nstap, recorded by test/netlink/record.ts.`,
    '# "> TYPE FAMILY" starts an answer; each line of hex is one datagram. The namespace was made with:',
    ...SETUP.map((line) => `#   ip ${line}`),
  ];
  const handle = openNetns(NAME);
  const socket = openNetlinkSocket(handle);
  const tap: NetlinkTransport = {
    portId: socket.portId,
    buffer: socket.buffer,
    get length() {
      return socket.length;
    },
    send(bytes) {
      lines.push(`> ${new DataView(bytes.buffer).getUint16(4, true)} ${bytes[16]}`);
      socket.send(bytes);
    },
    receive() {
      const status = socket.receive();
      if (status === 'data')
        lines.push(Buffer.from(socket.buffer.subarray(0, socket.length)).toString('hex'));
      return status;
    },
    wait: (timeoutMs) => socket.wait(timeoutMs),
  };
  const dump = dumpRouting(new NetlinkClient(tap), 'lab');
  socket.close();
  handle.close();
  writeFileSync(new URL('../../fixtures/netlink/lab.hex', import.meta.url), `${lines.join('\n')}\n`);
  const snapshot = assembleSnapshot(dump, 'lab', '2026-11-23T00:00:00.000000000Z');
  writeFileSync(
    new URL('../../fixtures/netlink/lab.snapshot.json', import.meta.url),
    `${JSON.stringify(snapshot, null, 1)}\n`,
  );
} finally {
  execFileSync('ip', ['netns', 'del', NAME]);
}
