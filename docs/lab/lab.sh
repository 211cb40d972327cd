#!/bin/bash
# The lab of docs/cookbook.md and other pages: three network namespaces, and a server.
#
#   lab-client 10.1.0.2, .3 -- fast -- 10.1.0.1 lab-router 10.2.0.1 -- lan -- 10.2.0.2 lab-server
#              10.9.0.2 ------ slow -- 10.9.0.1
#
# The router forwards and has a blackhole route. In the client, what comes from 10.1.0.3 follows rule 100 to table 100, over the
# slow link. Both ends of a link have the same name.
#
#   sudo docs/lab/lab.sh up        makes it        (needs iproute2, Python for the server)
#   sudo docs/lab/lab.sh traffic   some minutes of an office in a second   (needs curl)
#   sudo docs/lab/lab.sh down      removes it
set -eu
here=$(dirname "$(readlink -f "$0")")

link() { # NAME NETNS ADDRESS NETNS ADDRESS
  ip -n "$2" link add "$1" type veth peer name "$1" netns "$4"
  for end in "$2 $3" "$4 $5"; do
    set -- "$1" $end
    # IPv6 talks by itself as soon as a link is up; the lab shows what somebody sent.
    ip netns exec "$2" sh -c "echo 1 > /proc/sys/net/ipv6/conf/$1/disable_ipv6"
    ip -n "$2" address add "$3" dev "$1"
    ip -n "$2" link set "$1" up
  done
}

up() {
  for name in lab-client lab-router lab-server; do
    ip netns add $name
    ip -n $name link set lo up
  done
  link fast lab-client 10.1.0.2/24 lab-router 10.1.0.1/24
  link slow lab-client 10.9.0.2/24 lab-router 10.9.0.1/24
  link lan lab-router 10.2.0.1/24 lab-server 10.2.0.2/24
  ip -n lab-client address add 10.1.0.3/24 dev fast
  ip -n lab-client route add default via 10.1.0.1
  ip -n lab-client route add default via 10.9.0.1 table 100
  ip -n lab-client rule add from 10.1.0.3 lookup 100 pref 100
  ip -n lab-server route add default via 10.2.0.1
  ip -n lab-router route add blackhole 10.66.0.0/16
  # The answer to 10.1.0.3 comes back over the other link, which a strict reverse path filter would not let pass.
  ip netns exec lab-router sh -c 'cd /proc/sys/net/ipv4; echo 1 > ip_forward
    for dev in all fast slow lan; do echo 0 > conf/$dev/rp_filter; done'
  ip netns exec lab-server python3 "$here/serve.py" > /dev/null 2>&1 &
  until ip netns exec lab-server bash -c ': < /dev/tcp/127.0.0.1/8900' 2> /dev/null; do sleep 0.1; done
}

get() { ip netns exec lab-client curl -s -o /dev/null "$@"; }
udp() { ip netns exec lab-client bash -c "exec 3<>/dev/udp/$1; printf '$2' >&3; ${3:-}"; }

traffic() {
  get http://10.2.0.2:8900/small
  get http://10.2.0.2:8900/small
  get http://10.2.0.2:8900/large
  get --interface 10.1.0.3 http://10.2.0.2:8900/small                  # by rule 100
  # A question for the address of files.lab, and one for printer.lab.
  local header='\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00' type='\x00\x00\x01\x00\x01'
  udp 10.2.0.2/53 "$header\\x05files\\x03lab$type" 'head -c 1 <&3 > /dev/null'
  udp 10.2.0.2/53 "$header\\x07printer\\x03lab$type" 'head -c 1 <&3 > /dev/null'
  for i in 1 2 3; do udp 10.66.0.1/514 'a line for the log host'; done # into the blackhole
  for port in 21 22 23 25 80 443; do get http://10.2.0.2:$port/ || true; done # refused, one by one
}

down() {
  for name in lab-client lab-router lab-server; do
    ip netns pids $name | xargs -r kill
    ip netns delete $name
  done
}

"$@"
