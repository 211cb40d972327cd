#!/bin/bash
# A world of its own for the examples of one page: no namespace, database, socket or process of the host is in it, so that
# the pages may call theirs what they like, and all of it is gone when its first process ends.
#   unshare --mount --net --uts --pid --fork --kill-child world.sh COMMAND…
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/lib
hostname lab
ip link set lo up
exec "$@"
