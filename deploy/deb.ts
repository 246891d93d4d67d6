import { createHash } from 'node:crypto'
import { productSummary } from '../src/core/product-summary.ts'
import { type Entry, pack } from './archive.ts'

export interface DebFacts {
  version: string
  /** Debian's name of the processor: `amd64`, `arm64`. */
  architecture: string
  madeAt: Date
}

/**
 * A package for Debian and Ubuntu with these files, whose names are paths without a slash in front. It holds the
 * executable and its documents; `zai2api service install` makes the service. Equal input gives equal bytes.
 */
export function debPackage(files: readonly Entry[], { version, architecture, madeAt }: DebFacts): Uint8Array {
  const entries = [...foldersOf(files), ...files].map((entry) => ({ ...entry, name: `./${entry.name}` }))
  const sums = files.map(({ name, bytes }) => `${createHash('md5').update(bytes).digest('hex')}  ${name}\n`)
  const kilobytes = Math.ceil(files.reduce((sum, { bytes }) => sum + bytes.length, 0) / 1024)
  const control = `Package: zai2api
Version: ${version}
Architecture: ${architecture}
Maintainer: the authors of zai2api <zai2api@localhost>
Installed-Size: ${kilobytes}
Depends: libc6
Section: net
Priority: optional
Description: the ${productSummary}
 One executable file that gives programs written for OpenAI's and Anthropic's
 APIs the GLM models of Z.AI.
`
  const controlEntries = Object.entries({ control, md5sums: sums.join(''), prerm }).map(([name, text]) => ({
    ...{ name: `./${name}`, bytes: Buffer.from(text), executable: name === 'prerm' },
  }))
  return ar(
    [
      ['debian-binary', Buffer.from('2.0\n')],
      ['control.tar.gz', pack['tar.gz'](controlEntries, madeAt)],
      ['data.tar.gz', pack['tar.gz'](entries, madeAt)],
    ],
    madeAt,
  )
}

/**
 * Runs before the package is removed. A service of its executable is stopped and taken away, since it could not start any
 * more; an upgrade leaves it alone, and so does a service of another file.
 */
export const prerm = `#!/bin/sh
set -e
units=\${DPKG_ROOT:-}/etc/systemd/system
if [ "$1" = remove ] && grep -qs '^ExecStart=/usr/bin/zai2api ' "$units/zai2api.service"; then
  systemd=''
  [ ! -d "\${DPKG_ROOT:-}/run/systemd/system" ] || systemd=yes
  if [ -n "$systemd" ]; then
    systemctl disable --now zai2api.service || true
    if systemctl is-active --quiet zai2api.service; then
      echo 'The service still runs: systemctl stop zai2api.service' >&2
      exit 1
    fi
  fi
  rm -f "$units/zai2api.service" "$units/multi-user.target.wants/zai2api.service"
  [ -z "$systemd" ] || systemctl daemon-reload
  echo 'The service is removed. What stays: /etc/zai2api, /var/lib/zai2api, the user zai2api.'
fi
`

/** The folders of the files, each in front of what is in it: dpkg makes no folder that the package does not have. */
function foldersOf(files: readonly Entry[]): Entry[] {
  const folders = new Set([
    '',
    ...files.flatMap(({ name }) => [...name.matchAll(/\//g)].map((slash) => name.slice(0, slash.index + 1))),
  ])
  return [...folders].sort().map((name) => ({ name, bytes: new Uint8Array(), executable: true }))
}

/** The archive format of Unix, in which a Debian package is kept. Names have at most 16 bytes. */
function ar(members: readonly (readonly [string, Uint8Array])[], madeAt: Date): Uint8Array {
  const seconds = String(madeAt.getTime() / 1000)
  const parts = members.flatMap(([name, bytes]) => {
    const head = [name.padEnd(16), seconds.padEnd(12), '0     ', '0     ', '100644  ', String(bytes.length).padEnd(10)]
    return [Buffer.from(`${head.join('')}\`\n`), bytes, Buffer.alloc(bytes.length % 2, '\n')]
  })
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts])
}
