// node deploy/sign-release.ts FOLDER < key.pem
// Signs a release that was built without the private key. It needs node 22.18 or Bun and no package, so that the key is
// never where hundreds of packages are.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { releaseKey, signatureOf, trustedComment } from './sign.ts'

/** Made after the list, so that it does not name them. */
const unlisted = ['SHA256SUMS', 'SHA256SUMS.minisig', 'zai2api.pub']

function signRelease(folder: string, pem: string): void {
  const key = releaseKey(pem)
  const list = readFileSync(join(folder, 'SHA256SUMS'), 'utf8')
  const made = readdirSync(folder).filter((name) => !unlisted.includes(name))
  const lines = made.sort().map((name) => `${sumOf(join(folder, name))}  ${name}\n`)
  if (lines.join('') !== list) throw new Error(`SHA256SUMS is not the list of the files in ${folder}.`)
  const publicKey = readFileSync(join(folder, 'zai2api.pub'), 'utf8').trim().split('\n').at(-1)
  // The executables hold it, and would take no signature by another one.
  if (publicKey !== key.publicKey) throw new Error(`The release was built for another key, ${publicKey}.`)
  const { version }: { version: string } = JSON.parse(readFileSync('package.json', 'utf8'))
  if (!made.includes(`zai2api-${version}.cdx.json`)) throw new Error(`${folder} holds no release of ${version}.`)
  const madeAt = new Date(execFileSync('git', ['log', '-1', '--format=%cI'], { encoding: 'utf8' }).trim())
  const signature = signatureOf(Buffer.from(list), trustedComment(version, madeAt), key)
  writeFileSync(join(folder, 'SHA256SUMS.minisig'), signature)
}

function sumOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

signRelease(process.argv[2] ?? 'dist/release', readFileSync(0, 'utf8'))
