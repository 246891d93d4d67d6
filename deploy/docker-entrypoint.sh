#!/bin/sh
# The first start makes a key for clients, which stays in the volume. AUTH_TOKEN in the environment wins over it.
set -eu
file=${ZAI2API_CONFIG:-/data/zai2api.toml}
if [ ! -e "$file" ]; then
  umask 077
  key=$(od -An -tx1 -N24 /dev/urandom | tr -d ' \n')
  printf '# The key that clients send. zai2api help settings lists what else may stand here.\nauth_token = "sk-%s"\n' "$key" >"$file"
fi
exec zai2api "$@"
