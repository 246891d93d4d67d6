#!/bin/sh
# Installs zai2api from a folder of releases, or removes it again; --help tells how.
# The checksum is always compared. The signature of the list of checksums is, too, where minisign or OpenSSL 3 is there.
set -eu

# Filled in by `make release`.
base=${ZAI2API_RELEASES:-}
public_key=${ZAI2API_RELEASE_KEY:-}
version=${ZAI2API_VERSION:-}
dir=${ZAI2API_DIR:-}
uninstall=''

say() { printf '%s\n' "$*"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }
usage() {
  cat <<'END'
Usage: sh install.sh [--from BASE] [--version X.Y.Z] [--dir DIR]
       sh install.sh --uninstall [--dir DIR]

  --from BASE       the release: an address, or a folder of this machine
  --version X.Y.Z   take this version and no other
  --dir DIR         where to put zai2api: ~/.local/bin, or /usr/local/bin for root
  --uninstall       remove it from there; settings and data stay
  --help            print this

ZAI2API_RELEASES, ZAI2API_VERSION and ZAI2API_DIR in the environment stand for the first three.
END
}

while [ $# -gt 0 ]; do
  case $1 in
    --from) base=${2:?--from needs an address}; shift 2 ;;
    --version) version=${2:?--version needs a number}; shift 2 ;;
    --dir) dir=${2:?--dir needs a folder}; shift 2 ;;
    --uninstall) uninstall=yes; shift ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown option $1; there are --from BASE, --version X.Y.Z, --dir DIR, --uninstall and --help" ;;
  esac
done

if [ -z "$dir" ]; then
  if [ "$(id -u)" = 0 ]; then dir=/usr/local/bin; else dir=${HOME:?HOME is not set}/.local/bin; fi
fi

if [ -n "$uninstall" ]; then
  [ -e "$dir/zai2api" ] || fail "there is no zai2api in $dir; --dir names another folder"
  for service in /etc/systemd/system/zai2api.service "${HOME:-}/.config/systemd/user/zai2api.service" \
    "${HOME:-}"/Library/LaunchAgents/*zai2api*.plist; do
    # A service of an executable elsewhere is none of ours.
    ! grep -qsF "$dir/zai2api" "$service" || fail "a service runs it ($service); first: $dir/zai2api service uninstall"
  done
  rm "$dir/zai2api"
  say "Removed $dir/zai2api."
  for kept in "${XDG_CONFIG_HOME:-${HOME:-}/.config}/zai2api" "${XDG_STATE_HOME:-${HOME:-}/.local/state}/zai2api"; do
    [ ! -d "$kept" ] || say "Your settings or data stay; this removes them: rm -r '$kept'"
  done
  exit 0
fi

[ -n "$base" ] || fail 'where are the releases? --from names the address or the folder'
base=${base%/}
if [ -n "$version" ]; then
  # GitHub has each release in a folder of its own.
  case $base in */latest/download) base=${base%/latest/download}/download/v$version ;; esac
fi

case $(uname -s) in
  Linux) system=linux ;;
  Darwin) system=macos ;;
  *) fail "there is no archive for $(uname -s); on Windows run install.ps1" ;;
esac
case $(uname -m) in
  x86_64 | amd64) arch=x64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) fail "there is no archive for $(uname -m)" ;;
esac
libc=''
if [ "$system" = linux ]; then
  for loader in /lib/ld-musl-*.so.1; do [ ! -e "$loader" ] || libc=-musl; done
fi

# A folder of this machine has no scheme, or that of files.
base=${base#file://}
if [ -d "$base" ]; then
  get() { cp "$1" "$2"; }
elif command -v curl >/dev/null; then
  get() { curl -fsSL --retry 2 -o "$2" "$1"; }
elif command -v wget >/dev/null; then
  get() { wget -q -O "$2" "$1"; }
else
  fail 'curl or wget is needed'
fi
if command -v sha256sum >/dev/null; then
  sum_of() { sha256sum "$1" | cut -d ' ' -f 1; }
else
  sum_of() { shasum -a 256 "$1" | cut -d ' ' -f 1; }
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

get "$base/SHA256SUMS" "$work/SHA256SUMS" || fail "$base/SHA256SUMS cannot be read"

# minisign's texts hold the 32 bytes of the key and the 64 of the signature at their ends.
openssl_verifies() {
  {
    printf '\060\052\060\005\006\003\053\145\160\003\041\000' # the head of an Ed25519 key in DER
    printf '%s' "$public_key" | openssl base64 -d -A | tail -c 32
  } >"$work/key.der"
  sed -n 2p "$work/SHA256SUMS.minisig" | openssl base64 -d -A | tail -c 64 >"$work/signature"
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key.der" -rawin -in "$work/SHA256SUMS" \
    -sigfile "$work/signature" >/dev/null 2>&1
}

if [ -n "$public_key" ]; then
  get "$base/SHA256SUMS.minisig" "$work/SHA256SUMS.minisig" || fail 'the release is not signed'
  if command -v minisign >/dev/null; then
    minisign -Vqm "$work/SHA256SUMS" -P "$public_key" || fail 'the signature is not one by the key of zai2api'
  elif command -v openssl >/dev/null && openssl version | grep -q '^OpenSSL [3-9]'; then
    openssl_verifies || fail 'the signature is not one by the key of zai2api'
  else
    say 'Neither minisign nor OpenSSL 3 is here: the signature is not checked, the checksum is.'
  fi
else
  say 'This script holds no key: the signature is not checked, the checksum is.'
fi

suffix=$system-$arch$libc.tar.gz
archive=$(sed -n "s/^[0-9a-f]\{64\}  \(zai2api-[0-9.]*-$suffix\)$/\1/p" "$work/SHA256SUMS")
[ -n "$archive" ] || fail "the release has no archive for $system-$arch$libc"
found=${archive#zai2api-}
found=${found%"-$suffix"}
[ -z "$version" ] || [ "$found" = "$version" ] || fail "the release is $found and not $version"
get "$base/$archive" "$work/$archive" || fail "$base/$archive cannot be read"
expected=$(sed -n "s/^\([0-9a-f]\{64\}\)  $archive$/\1/p" "$work/SHA256SUMS")
[ "$(sum_of "$work/$archive")" = "$expected" ] || fail "$archive is not the file of the list; nothing was installed"

tar -xzf "$work/$archive" -C "$work"
mkdir -p "$dir"
cp "$work/${archive%.tar.gz}/zai2api" "$dir/zai2api.new"
chmod 755 "$dir/zai2api.new"
said=$("$dir/zai2api.new" version) || { rm -f "$dir/zai2api.new"; fail 'the executable does not run here'; }
mv -f "$dir/zai2api.new" "$dir/zai2api"

say "Installed $said as $dir/zai2api."
case :$PATH: in
  *:"$dir":*) command=zai2api ;;
  *)
    command=$dir/zai2api
    say "$dir is not on your PATH; this puts it there: export PATH=\"$dir:\$PATH\""
    ;;
esac
say "Next: $command setup     asks for your key and your client"
say "      $command demo      a scripted model, without network and account"
