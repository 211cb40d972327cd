#!/usr/bin/env bash
# `npm run deb`: dist/nstap_VERSION_ARCH.deb, with the Node of the checkout inside (Debian's is too old), and the unit. The
# package starts nothing by itself: it would capture the traffic of a machine on which it was only installed.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022

command -v dpkg-deb >/dev/null || { echo 'npm run deb: dpkg-deb is missing; it comes with Debian and Ubuntu (package dpkg)' >&2; exit 1; }
npm run --silent build
version=$(node -p 'require("./package.json").version')
arch=$(dpkg --print-architecture)
platform=$(node -p 'process.platform + "-" + process.arch')
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root
app=$root/usr/lib/nstap

mkdir -p "$app" "$root/DEBIAN" "$root/usr/bin"
cp package.json package-lock.json "$app/"
cp -r dist cli/nstap.js docs fixtures/demo CHANGELOG.md LICENSE "$stage/"
# What runs it: no script of a package runs, the binaries are in the packages.
(cd "$app" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --silent)
rm -rf "$app/package-lock.json" "$app/node_modules/.bin" "$app/node_modules/.package-lock.json"
find "$app/node_modules/better-sqlite3/prebuilds" -type f ! -name "$platform.node" -delete
rm -rf "$app/node_modules/better-sqlite3/deps" "$app/node_modules/better-sqlite3/src"
mkdir -p "$app/cli" "$app/fixtures" "$app/bin"
cp -r "$stage/dist" "$app/dist"
rm -rf "$app/dist/man" "$app"/dist/*.deb
cp "$stage/nstap.js" "$app/cli/"
cp -r "$stage/demo" "$app/fixtures/demo"
install -m 755 node_modules/node/bin/node "$app/bin/node"
cat >"$root/usr/bin/nstap" <<'SH'
#!/bin/sh
# exec: the service manager talks to the process that it started.
exec /usr/lib/nstap/bin/node /usr/lib/nstap/cli/nstap.js "$@"
SH
chmod 755 "$root/usr/bin/nstap"

install -D -m 644 daemon/systemd/nstap.service "$root/usr/lib/systemd/system/nstap.service"
install -D -m 644 daemon/systemd/nstap.sysusers "$root/usr/lib/sysusers.d/nstap.conf"
install -D -m 644 daemon/systemd/nstap.tmpfiles "$root/usr/lib/tmpfiles.d/nstap.conf"
mkdir -p "$root/usr/share/man/man8" "$root/usr/share/doc/nstap"
gzip -9n <dist/man/nstap.8 >"$root/usr/share/man/man8/nstap.8.gz"
gzip -9n <CHANGELOG.md >"$root/usr/share/doc/nstap/changelog.gz"
cp LICENSE "$root/usr/share/doc/nstap/copyright"
cp -r docs "$root/usr/share/doc/nstap/docs"
nstap() { "$app/bin/node" "$app/cli/nstap.js" "$@"; }
mkdir -p "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d"
nstap completion bash >"$root/usr/share/bash-completion/completions/nstap"
nstap completion zsh >"$root/usr/share/zsh/vendor-completions/_nstap"
nstap completion fish >"$root/usr/share/fish/vendor_completions.d/nstap.fish"

cat >"$root/DEBIAN/control" <<CONTROL
Package: nstap
Version: $version
Architecture: $arch
Maintainer: nstap developers <nstap@localhost>
Installed-Size: $(du -sk "$root" | cut -f1)
Depends: libc6 (>= 2.28), libstdc++6
Recommends: libpcap0.8t64 | libpcap0.8, iproute2
Section: net
Priority: optional
Description: flows in network namespaces, with the kernel's route decision on each
 Captures on interfaces of selected network namespaces, tags each packet with the route-table decision of its namespace, and
 keeps flows in SQLite. The service is installed, not started: systemctl enable --now nstap.
CONTROL
cat >"$root/DEBIAN/postinst" <<'SH'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers nstap.conf
  else
    getent group nstap >/dev/null || groupadd --system nstap
    getent passwd nstap >/dev/null || useradd --system --gid nstap --home-dir /var/lib/nstap --no-create-home --shell /usr/sbin/nologin nstap
  fi
  install -d -m 0750 -o nstap -g nstap /var/lib/nstap
  install -d -m 0755 /etc/nstap
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # An upgrade goes on with the new program; whoever had not started it has it stopped as before.
    if [ -n "$2" ]; then systemctl try-restart nstap.service || true; fi
  fi
fi
SH
cat >"$root/DEBIAN/prerm" <<'SH'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl disable --now nstap.service || true; fi
SH
cat >"$root/DEBIAN/postrm" <<'SH'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
if [ "$1" = purge ]; then
  rm -rf /var/lib/nstap /var/cache/nstap /etc/nstap
  if getent passwd nstap >/dev/null; then userdel nstap || true; fi
fi
SH
chmod 755 "$root"/DEBIAN/{postinst,prerm,postrm}
out=dist/nstap_${version}_${arch}.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$out" >/dev/null
printf '%s\n' "$out"
