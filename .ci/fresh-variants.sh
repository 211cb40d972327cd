# Sourced by fresh-machine: what is done on each machine. `enter` runs outside the new root, `variant_*` inside.
# shellcheck shell=bash

# Mounts a fresh machine and runs a variant in it.
enter() {
  local folder=$1 variant=$2 checkout=$3
  local here=$folder/machine/$variant
  rm -rf "$here"
  mkdir -p "$here/upper" "$here/work" "$here/machine"
  mount -t overlay overlay -o "lowerdir=$folder/base,upperdir=$here/upper,workdir=$here/work" "$here/machine"
  mount -t proc proc "$here/machine/proc"
  mount -t sysfs sysfs "$here/machine/sys"
  mount --rbind /dev "$here/machine/dev"
  mount -t tmpfs tmpfs "$here/machine/run"
  mount -t tmpfs -o mode=1777 tmpfs "$here/machine/tmp"
  git clone --quiet --bare --no-hardlinks "$checkout" "$here/machine/srv/nstap.git"
  printf '[safe]\n\tdirectory = *\n' >"$here/machine/etc/gitconfig"
  cp "$checkout/.ci/fresh-variants.sh" "$here/machine/srv/"
  [[ $variant == no-ip ]] && rm -f "$here/machine/usr/bin/ip" "$here/machine/usr/sbin/ip"
  # The certificates by their environment name too: npm looks for its global settings below --prefix.
  env -i HOME=/root TERM=dumb NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    chroot "$here/machine" bash -c '
      set -uo pipefail
      source /srv/fresh-variants.sh
      bad=0
      "variant_$1"
      exit $bad' _ "${variant//-/_}"
}

# step LIMIT_S EXPECTED_REGEX COMMAND: runs it, shows all it prints, demands status 0, the text and the time.
step() {
  local limit=$1 expected=$2 command=$3 status=0 start=$SECONDS out
  out=$(mktemp)
  printf '\n== %s\n' "$command"
  bash -c "$command" </dev/null >"$out" 2>&1 || status=$?
  cat "$out"
  printf '   took %d s, status %d\n' $((SECONDS - start)) "$status"
  if ((status != 0)); then fail "status $status"; fi
  if ((SECONDS - start > limit)); then fail "took longer than $limit s"; fi
  if [[ -n $expected ]] && ! grep -qE -- "$expected" "$out"; then fail "its output lacks: $expected"; fi
  # npm says EBADENGINE while it installs on Node 20: true, and harmless, since a newer Node comes with the packages.
  # A global npm runs no install script unasked and says so; koffi works without its own.
  if grep -E 'ExperimentalWarning|DeprecationWarning|npm warn' "$out" | grep -vE 'EBADENGINE|npm warn install-scripts'; then fail 'printed a warning'; fi
  rm -f "$out"
}

fail() {
  printf '   FAILED: %s\n' "$*"
  bad=1
}

nothing_left() {
  printf '\n== nothing left behind\n'
  local left
  left=$(ls /run/netns 2>/dev/null)
  [[ -z $left ]] || fail "namespaces: $left"
  left=$(git -C "$1" status --porcelain --ignored | grep -v -e ' node_modules/$' -e ' dist/$')
  [[ -z $left ]] || fail "files: $left"
}

readme_commands() {
  local demo=$1
  step 60 '' 'npm ci'
  step 90 "$demo" 'npm run demo'
  step 20 'Usage: nstap' 'npx nstap --help'
  step 20 '^[0-9]+\.[0-9]+\.[0-9]+$' 'npx nstap --version'
  step 900 '^[0-9]+ passed, 0 failed, [0-9]+ skipped$' 'npm test'
  nothing_left .
}

lab='The namespaces are gone again'
replay='Replaying instead'

variant_root() {
  git clone --quiet /srv/nstap.git /srv/x && cd /srv/x && readme_commands "$lab"
}

# The npm that came with Node 20.
variant_old_npm() {
  npm install --silent --global --prefix /opt/npm10 npm@10
  export PATH=/opt/npm10/bin:$PATH
  hash -r
  step 10 '^10\.' 'npm --version'
  git clone --quiet /srv/nstap.git /srv/x && cd /srv/x && readme_commands "$lab"
}

variant_user() {
  as_tester user_commands
}

user_commands() {
  git clone --quiet /srv/nstap.git ~/x && cd ~/x && readme_commands "$replay"
}

# Runs one of these functions as a user without any right.
as_tester() {
  useradd --create-home tester
  setpriv --reuid tester --regid tester --init-groups --inh-caps=-all env HOME=/home/tester \
    bash -c 'source /srv/fresh-variants.sh; bad=0; "$1"; exit $bad' _ "$1" || bad=1
}

variant_no_ip() {
  git clone --quiet /srv/nstap.git /srv/x && cd /srv/x && readme_commands "$replay"
}

variant_root_home() {
  chmod 0700 /root
  git clone --quiet /srv/nstap.git /root/x && cd /root/x && readme_commands "$lab"
}

# As a build server clones.
variant_shallow() {
  git clone --quiet --depth 1 file:///srv/nstap.git /srv/x && cd /srv/x && npm ci --silent
  step 90 "$lab" 'npm run demo'
}

# From the tarball: compiled, without devDependencies, on the oldest Node that is supported, the newest, and one too old.
variant_package() {
  git clone --quiet /srv/nstap.git /srv/x && cd /srv/x && npm ci --silent
  step 60 'nstap-.*\.tgz' 'npm pack --pack-destination /tmp'
  printf '\n== what is in it\n'
  tar -tzf /tmp/nstap-*.tgz | sort
  step 60 '' 'npm install --global --prefix /opt/old --loglevel error /tmp/nstap-*.tgz'
  printf '\n== on Node 20: one sentence, status 1\n'
  local said
  said=$(/opt/old/bin/nstap --help 2>&1) && fail 'it ran'
  echo "$said"
  [[ $said =~ ^nstap:\ needs\ Node && $(wc -l <<<"$said") == 1 ]] || fail 'not one sentence'
  local version
  for version in 22.18.0 22 24; do
    npm install --silent --prefix "/opt/node-$version" "node@$version"
    PATH=/opt/node-$version/node_modules/node/bin:$PATH packaged "/opt/nstap-$version"
  done
}

packaged() {
  local prefix=$1
  export PATH=$prefix/bin:$PATH
  step 10 '^v2' 'node --version'
  step 60 '' "npm install --global --prefix $prefix /tmp/nstap-*.tgz"
  cd /
  step 20 'Usage: nstap' 'nstap --help'
  step 20 '^[0-9]+\.[0-9]+\.[0-9]+$' 'nstap --version'
  step 90 "$lab" 'nstap demo'
  step 20 '"packets": *3' 'nstap replay --json --db /tmp/p.db /srv/x/fixtures/pcap/three-frames.pcap'
  rm -f /tmp/p.db*
  chmod 0755 /srv/x
  step 90 "$replay" 'setpriv --reuid 65534 --regid 65534 --clear-groups nstap demo'
  [[ -z $(ls /run/netns 2>/dev/null) ]] || fail 'namespaces left'
}

# From the sources, on the Nodes that need no bundled one.
variant_node22() {
  local version
  git clone --quiet /srv/nstap.git /srv/x && cd /srv/x && npm ci --silent
  for version in 22.18.0 22; do
    npm install --silent --prefix "/opt/node-$version" "node@$version"
    export PATH=/opt/node-$version/node_modules/node/bin:$PATH
    step 10 '^v22' 'node --version'
    step 20 'Usage: nstap' 'node cli/nstap.js --help'
    step 90 "$lab" 'node cli/nstap.js demo'
    step 900 '^[0-9]+ passed, 0 failed, [0-9]+ skipped$' 'node node_modules/vitest/vitest.mjs run'
  done
}

# The whole gate; as root it installs the tools that the tests compare with.
gate() {
  git clone --quiet /srv/nstap.git "$1" && cd "$1"
  step 1200 '^[0-9]+ passed, 0 failed, [0-9]+ skipped$' 'bash .ci/run'
}

variant_ci() {
  gate /srv/x
}

variant_ci_root_home() {
  chmod 0700 /root
  gate /root/x
}

user_gate() {
  gate ~/x
}

variant_ci_user() {
  as_tester user_gate
}
