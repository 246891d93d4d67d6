#!/bin/sh
# The first start makes a key for clients, which stays in the volume. AUTH_TOKEN in the environment wins over it.
set -eu
file=${ZAI2API_CONFIG:-/data/zai2api.toml}
if [ ! -s "$file" ]; then
  umask 077
  key=$(od -An -tx1 -N24 /dev/urandom | tr -d ' \n')
  # The pipe succeeds also where od does not.
  if [ ${#key} -ne 48 ]; then
    echo "zai2api: no random key could be made; put one into $file: auth_token = \"...\"" >&2
    exit 1
  fi
  # Under its name it is whole: a start that is killed leaves none.
  printf '# The key that clients send. zai2api help settings lists what else may stand here.\nauth_token = "sk-%s"\n' "$key" >"$file.new"
  mv "$file.new" "$file"
fi
exec zai2api "$@"
