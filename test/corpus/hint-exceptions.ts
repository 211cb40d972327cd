/** Where tshark's name of a flow and ours differ on purpose: by capture, each difference, and why. */
export const HINT_EXCEPTIONS: Record<string, { differences: string[]; why: string }> = {
  'PcapPlusPlus/regression_samples/clusterfuzz-testcase-FuzzTarget-5188876846235648': {
    why: 'mutated: a message with an opcode that nobody uses (15), which tshark reads all the same',
    differences: ['dns 2.0.4.0:53 0.0.246.0:10: null, tshark .'],
  },
  'libpcap/arcnet-rfc1201-arp-icmp-http.pcap': {
    why: 'LINKTYPE_ARCNET_LINUX has no decoder here',
    differences: ['dns 10.80.131.1:1024 10.80.3.254:53: null, tshark tcpdump.org'],
  },
  'libpcap/http_PPI.pcap': {
    why: 'LINKTYPE_PPI (802.11) has no decoder here',
    differences: ['dns 192.168.1.132:1031 192.168.1.1:53: null, tshark www.polito.it'],
  },
  'nDPI/fuzz-2006-06-26-2594.pcap': {
    why: 'mutated: tshark reads DNS also between ports that are not those of DNS, and names with a label of an unknown kind',
    differences: [
      'dns 192.168.1.2:2712 192.168.1.1:49973: null, tshark sip.cybercity.dk',
      'dns 192.168.1.1:9587 192.168.1.2:156: null, tshark 1.0.0.127.in-addr.arpa',
      'dns 192.168.1.2:2724 192.168.1.1:9587: null, tshark _sip._udp.sip.cybercity.dk',
      'dns 192.168.1.1:53 192.168.1.2:2751: null, tshark <Unknown extended label>',
      'dns 94.168.1.2:2768 192.168.1.1:4: null, tshark _sip._udp.sip.cybercity.dk',
      'dns 192.168.1.1:117 192.168.1.2:2769: null, tshark 1.0.0.127.in-addr.arpa',
      'dns 192.168.1.2:2774 192.168.1.1:53: _sip._udp.sip.cybercity.dk, tshark <Unknown extended label>',
      'dns 192.168.1.2:2791 192.168.67.1:53: null, tshark <Unknown extended label>',
      'dns 115.0.1.2:2798 192.168.1.1:53: null, tshark <Unknown extended label>',
      'dns 192.168.1.1:53 192.168.1.2:2807: null, tshark <Unknown extended label>',
      'dns 192.168.1.2:2808 192.168.1.1:38709: null, tshark _sip._udp.sip.cybercity.dk',
      'dns 192.170.1.2:2810 192.168.1.1:53: null, tshark <Unknown extended label>',
      'dns 192.168.1.2:2814 192.168.1.1:53: _sip._udp.sip.cybercity.dk, tshark <Unknown extended label>',
      'dns 192.168.1.1:53 192.168.1.2:2572: null, tshark <Unknown extended label>',
    ],
  },
  'nDPI/fuzz-2006-09-29-28586.pcap': {
    why: 'mutated: tshark ends a host at NUL, where we have "?"; three requests of two segments it does not put together',
    differences: [
      'http 172.20.3.13:53132 172.20.3.5:80: %s?2.20.3.5, tshark %s',
      '6 172.20.3.13:80 172.20.3.5:2606 http: 172.20.3.13, tshark none',
      '6 172.20.3.13:80 172.20.3.5:2604 http: 172.20.3.13, tshark none',
      '6 172.20.3.13:80 172.20.3.5:2605 http: 172.20.3.13, tshark none',
    ],
  },
  'nDPI/heuristic_tcp_ack_payload.pcap': {
    why: 'ACKs whose two octets of padding count as payload: tshark takes those for the stream, and what follows for out of order',
    differences: [
      '6 194.226.199.21:58155 52.18.127.189:443 tls: bitrix.info, tshark none',
      '6 194.226.199.226:34101 8.247.226.126:80 http: 3.tlu.dl.delivery.mp.microsoft.com, tshark none',
      '6 194.226.199.61:27453 35.241.9.150:443 tls: firefox.settings.services.mozilla.com, tshark none',
      '6 194.226.199.9:49756 92.223.106.21:443 tls: moevideo.biz, tshark none',
      '6 194.226.199.103:62580 217.69.139.59:443 tls: portal.mail.ru, tshark none',
      '6 194.226.199.61:6946 2.22.40.186:443 tls: ru.pinterest.com, tshark none',
    ],
  },
  'tcpdump/LINKTYPE_IPV4_invalid.pcap': {
    why: 'IPv6 in a capture of LINKTYPE_IPV4: undecodable here',
    differences: ['dns 2001:db8::1:12345 2620:fe::9:53: null, tshark example.com'],
  },
  'tcpdump/quic_handshake.pcap': {
    why: 'QUIC is not read, see docs/decisions/0011-hints.md',
    differences: ['tls ::1:50606 ::1:443: null, tshark localhost'],
  },
};
