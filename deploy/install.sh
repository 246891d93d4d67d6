#!/bin/sh
# Installs zai2api from a folder of releases, or removes it again; --help tells how.
# The checksum is always compared. The signature of the list of checksums is, too, where minisign or OpenSSL 3 is there.
set -eu

# One command up to the last line, so that a download of this script that breaks off is no command and does nothing.
{

# Filled in by `make release`.
base=${ZAI2API_RELEASES:-}
public_key=${ZAI2API_RELEASE_KEY:-}
version=${ZAI2API_VERSION:-}
dir=${ZAI2API_DIR:-}
require_signature=${ZAI2API_REQUIRE_SIGNATURE:-}
uninstall=''
# Seconds: for the executable to say its version, and without a thousand bytes each from a server.
version_limit=15
stall_limit=30

say() { printf '%s\n' "$*"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }
usage() {
  cat <<'END'
Usage: sh install.sh [--from BASE] [--version X.Y.Z] [--dir DIR] [--require-signature]
       sh install.sh --uninstall [--dir DIR]

  --from BASE          the release: an address, or a folder of this machine
  --version X.Y.Z      take this version and no other, also if it is an older one
  --dir DIR            where to put zai2api: ~/.local/bin, or /usr/local/bin for root
  --require-signature  install nothing whose signature cannot be checked here
  --uninstall          remove it from there; settings and data stay
  --help               print this

ZAI2API_RELEASES, ZAI2API_VERSION and ZAI2API_DIR in the environment stand for the first three, and
ZAI2API_REQUIRE_SIGNATURE=1 for the fourth.
END
}

main() {
  umask 022
  read_options "$@"
  if [ -z "$dir" ]; then
    if [ "$(id -u)" = 0 ]; then dir=/usr/local/bin; else dir=${HOME:?HOME is not set}/.local/bin; fi
  fi
  if [ -n "$uninstall" ]; then uninstall; else install; fi
}

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --from) base=${2:?--from needs an address}; shift 2 ;;
      --version) version=${2:?--version needs a number}; shift 2 ;;
      --dir) dir=${2:?--dir needs a folder}; shift 2 ;;
      --require-signature) require_signature=1; shift ;;
      --uninstall) uninstall=yes; shift ;;
      -h | --help) usage; exit 0 ;;
      *) fail "unknown option $1; there are --from BASE, --version X.Y.Z, --dir DIR, --require-signature, --uninstall and --help" ;;
    esac
  done
}

uninstall() {
  [ -e "$dir/zai2api" ] || fail "there is no zai2api in $dir; --dir names another folder"
  # As a service names it.
  dir=$(cd "$dir" && pwd)
  for service in /etc/systemd/system/zai2api.service "${HOME:-}/.config/systemd/user/zai2api.service" \
    "${HOME:-}"/Library/LaunchAgents/*zai2api*.plist; do
    # A service of an executable elsewhere is none of ours. A unit doubles each percent sign.
    for name in "$dir/zai2api" "$(printf '%s' "$dir/zai2api" | sed 's/%/%%/g')"; do
      ! grep -qsF "$name" "$service" || fail "a service runs it ($service); first: $dir/zai2api service uninstall"
    done
  done
  rm "$dir/zai2api"
  say "Removed $dir/zai2api."
  for kept in "${XDG_CONFIG_HOME:-${HOME:-}/.config}/zai2api" "${XDG_STATE_HOME:-${HOME:-}/.local/state}/zai2api"; do
    [ ! -d "$kept" ] || say "Your settings or data stay; this removes them: rm -r '$kept'"
  done
}

install() {
  [ -n "$base" ] || fail 'where are the releases? --from names the address or the folder'
  base=${base%/}
  if [ -n "$version" ]; then
    # GitHub has each release in a folder of its own.
    case $base in */latest/download) base=${base%/latest/download}/download/v$version ;; esac
  fi
  [ ! -d "$dir/zai2api" ] || fail "$dir/zai2api is a folder; --dir names another place"
  choose_platform
  choose_programs
  fresh=''
  running=''
  work=$(mktemp -d)
  trap 'rm -rf "$work" ${fresh:+"$fresh"}; [ -z "$running" ] || kill -9 "$running" 2>/dev/null || :' EXIT
  trap 'exit 1' HUP INT TERM

  # Without a password of a mirror.
  shown=$(printf '%s' "$base" | sed 's,//[^/@]*@,//...@,')
  get "$base/SHA256SUMS" "$work/SHA256SUMS" 128 || fail "$shown/SHA256SUMS cannot be read"
  check_signature
  choose_archive
  replaces_older
  say "Downloading $archive ..."
  get "$base/$archive" "$work/$archive" 600000 || fail "$shown/$archive cannot be read"
  [ "$(sum_of "$work/$archive")" = "$expected" ] || fail "$archive is not the file of the list; nothing was installed"
  put_in_place

  say "Installed zai2api $found as $dir/zai2api${before:+, in place of $before}."
  case :$PATH: in
    *:"$dir":*) command=zai2api ;;
    *)
      command=$dir/zai2api
      say "$dir is not on your PATH; this puts it there: export PATH=\"$dir:\$PATH\""
      ;;
  esac
  say "Next: $command setup     asks for your key and your client"
  say "      $command demo      a scripted model, without network and account"
}

choose_platform() {
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
  # A Debian may have the loader of musl, too, and an Alpine that of glibc: the shell has the one of the system.
  if [ "$system" = linux ] && ! grep -qs 'ld-linux' /bin/sh; then
    for loader in /lib/ld-musl-*.so.1; do [ ! -e "$loader" ] || libc=-musl; done
  fi
}

# get ADDRESS FILE BLOCKS: a file larger than that many blocks of 512 bytes is refused, or of 1024 in some shells.
choose_programs() {
  # A folder of this machine has no scheme, or that of files.
  base=${base#file://}
  if [ -d "$base" ]; then
    get() { at_most "$3" cp "$1" "$2"; }
  elif command -v curl >/dev/null; then
    get() {
      at_most "$3" curl -fsSL --retry 1 --connect-timeout "$stall_limit" --speed-limit 1000 \
        --speed-time "$stall_limit" -o "$2" "$1"
    }
  elif command -v wget >/dev/null; then
    get() { at_most "$3" wget -q -t 2 -T "$stall_limit" -O "$2" "$1"; }
  else
    fail 'curl or wget is needed'
  fi
  if command -v sha256sum >/dev/null; then
    sum_of() { sha256sum "$1" | cut -d ' ' -f 1; }
  else
    sum_of() { shasum -a 256 "$1" | cut -d ' ' -f 1; }
  fi
}

# at_most BLOCKS COMMAND: a command that writes a larger file fails.
at_most() {
  (
    ulimit -c 0 2>/dev/null || :
    ulimit -f "$1"
    shift
    exec "$@"
  ) 2>"$work/complaint" || { sed -n '/^[a-z]*: /p' "$work/complaint" >&2; return 1; }
}

check_signature() {
  if [ -z "$public_key" ]; then
    [ -z "$require_signature" ] || fail 'this script holds no key to check the signature with; nothing was installed'
    say 'This script holds no key: the signature is not checked, the checksum is.'
    return
  fi
  get "$base/SHA256SUMS.minisig" "$work/SHA256SUMS.minisig" 8 || fail 'the release is not signed'
  if command -v minisign >/dev/null; then
    minisign -Vqm "$work/SHA256SUMS" -P "$public_key" || fail 'the signature is not one by the key of zai2api'
  elif command -v openssl >/dev/null && openssl version | grep -q '^OpenSSL [3-9]'; then
    openssl_verifies || fail 'the signature is not one by the key of zai2api'
  elif [ -n "$require_signature" ]; then
    fail 'neither minisign nor OpenSSL 3 is here to check the signature; nothing was installed'
  else
    say 'Neither minisign nor OpenSSL 3 is here: the signature is not checked, the checksum is.'
  fi
}

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

choose_archive() {
  suffix=$system-$arch$libc.tar.gz
  archive=$(sed -n "s/^[0-9a-f]\{64\}  \(zai2api-[0-9.]*-$suffix\)$/\1/p" "$work/SHA256SUMS")
  [ -n "$archive" ] || fail "the release has no archive for $system-$arch$libc"
  found=${archive#zai2api-}
  found=${found%"-$suffix"}
  [ -z "$version" ] || [ "$found" = "$version" ] || fail "the release is $found and not $version"
  expected=$(sed -n "s/^\([0-9a-f]\{64\}\)  $archive$/\1/p" "$work/SHA256SUMS")
}

# $before is the version that is replaced, if it can be known: root does not run what belongs to somebody else.
replaces_older() {
  before=''
  [ -x "$dir/zai2api" ] && [ -O "$dir/zai2api" ] && version_of "$dir/zai2api" || return 0
  case $said in 'zai2api '[0-9]*.[0-9]*.[0-9]*) before=${said#zai2api } ;; *) return 0 ;; esac
  [ -z "$version" ] && [ "$before" != "$found" ] || return 0
  newest=$(printf '%s\n' "$before" "$found" | sort -t . -k 1,1n -k 2,2n -k 3,3n | tail -n 1)
  [ "$newest" = "$found" ] ||
    fail "$dir/zai2api is $before already, and the release is $found; --version $found takes it all the same"
}

put_in_place() {
  folder=${archive%.tar.gz}
  at_most 1200000 tar -xzf "$work/$archive" -C "$work" "$folder/zai2api" || fail "$archive cannot be unpacked"
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  # Beside the old one, so that it takes its place in one step, under a name that nobody can have laid a link to.
  fresh=$(mktemp "$dir/.zai2api.XXXXXXXXXXXX")
  cp "$work/$folder/zai2api" "$fresh"
  chmod 755 "$fresh"
  sync "$fresh" 2>/dev/null || :
  version_of "$fresh" || fail 'the executable does not run here; nothing was installed'
  [ "$said" = "zai2api $found" ] || fail "the executable does not say that it is $found; nothing was installed"
  mv -f "$fresh" "$dir/zai2api"
  fresh=''
}

# version_of FILE: $said is what it prints. Fails if it does, if it prints without an end, or if it is not done in time.
version_of() {
  said=''
  (
    ulimit -c 0 2>/dev/null || :
    ulimit -f 8
    exec "$1" version
  ) >"$work/said" 2>/dev/null </dev/null &
  running=$!
  (
    sleep "$version_limit"
    kill -9 "$running"
  ) >/dev/null 2>&1 </dev/null &
  watchdog=$!
  code=0
  wait "$running" 2>/dev/null || code=$?
  running=''
  # A gentler signal can be lost while the process starts.
  kill -9 "$watchdog" 2>/dev/null || :
  wait "$watchdog" 2>/dev/null || :
  [ "$code" = 0 ] || return 1
  said=$(cat "$work/said")
}

main "$@"
exit
}
