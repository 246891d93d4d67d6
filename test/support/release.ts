import { createHash, generateKeyPairSync } from 'node:crypto'
import { pack } from '../../deploy/archive.ts'
import { releaseKey, signatureOf } from '../../deploy/sign.ts'

/** A key as `openssl genpkey -algorithm ed25519` makes it. */
export function newReleaseKey() {
  const { privateKey } = generateKeyPairSync('ed25519')
  return releaseKey(String(privateKey.export({ format: 'pem', type: 'pkcs8' })))
}

export interface ReleaseFiles {
  /** Paths without a slash in front → what is served there. */
  files: Map<string, string | Uint8Array<ArrayBuffer>>
  /** The public key of minisign. */
  publicKey: string
}

export interface ReleaseParts {
  /** The version that the executables say. Default: that of the release. */
  says?: string
  /** The list of checksums that is signed, of the one that is right. */
  list?(sums: string): string
  /** What is signed beside the list. Default: the version, without a date. */
  comment?: string
  /** The executables. Default: scripts that say `says`. */
  script?: string
  /** What each archive is instead of what it should be. */
  archive?: Uint8Array<ArrayBuffer>
}

/** A release whose executables are scripts of a shell that say this version, for the platforms named. */
export function releaseOf(version: string, platforms: readonly string[], parts: ReleaseParts = {}): ReleaseFiles {
  const { says = version, list = (sums) => sums, comment = `zai2api ${version}`, archive } = parts
  const { script = `#!/bin/sh\necho "zai2api ${says}"\n` } = parts
  const key = newReleaseKey()
  const files = new Map<string, string | Uint8Array<ArrayBuffer>>()
  for (const platform of platforms) {
    const folder = `zai2api-${version}-${platform}`
    const windows = platform.startsWith('windows')
    const bytes = Buffer.from(script)
    const name = `${folder}/${windows ? 'zai2api.exe' : 'zai2api'}`
    const format = windows ? 'zip' : 'tar.gz'
    files.set(
      `${folder}.${format}`,
      archive ?? new Uint8Array(pack[format]([{ name, bytes, executable: true }], new Date(1_760_000_000_000))),
    )
  }
  const lines = [...files].map(([name, bytes]) => `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`)
  const sums = list(lines.join(''))
  files.set('SHA256SUMS', sums)
  files.set('SHA256SUMS.minisig', signatureOf(Buffer.from(sums), comment, key))
  return { files, publicKey: key.publicKey }
}

/** Serves the files on loopback, also after they have been changed. */
export function serveFiles(files: ReadonlyMap<string, string | Uint8Array<ArrayBuffer>>) {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      const body = files.get(new URL(request.url).pathname.slice(1))
      return body === undefined ? new Response('not here', { status: 404 }) : new Response(body)
    },
  })
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) }
}
