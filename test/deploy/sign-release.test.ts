import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { releaseKey } from '../../deploy/sign.ts'
import { version } from '../../package.json' with { type: 'json' }
import { signedComment } from '../../src/cli/update/minisign.ts'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-sign-'))
afterAll(() => rmSync(folder, { recursive: true }))

const pem = newKey()
const { publicKey } = releaseKey(pem)

function newKey(): string {
  return String(generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }))
}

const bill = `zai2api-${version}.cdx.json`
const list = `${createHash('sha256').update('{}').digest('hex')}  ${bill}\n`

beforeAll(() => {
  writeFileSync(join(folder, bill), '{}')
  writeFileSync(join(folder, 'SHA256SUMS'), list)
  writeFileSync(join(folder, 'zai2api.pub'), `untrusted comment: x\n${publicKey}\n`)
})

function sign(key: string) {
  const script = [process.execPath, 'deploy/sign-release.ts', folder]
  const { exitCode, stderr } = Bun.spawnSync(script, { stdin: Buffer.from(key) })
  return { exitCode, stderr: String(stderr) }
}

describe('signing a release that was built elsewhere', () => {
  test('gives the signature that zai2api update takes', () => {
    expect(sign(pem)).toEqual({ exitCode: 0, stderr: '' })
    const signature = readFileSync(join(folder, 'SHA256SUMS.minisig'), 'utf8')
    const comment = signedComment(publicKey, Buffer.from(list), signature)
    expect(comment).toMatch(new RegExp(`^zai2api ${version} \\d{4}-\\d\\d-\\d\\d$`))
  })

  test('is refused with another key than the executables hold', () => {
    expect(sign(newKey())).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('built for another key') })
  })

  test('is refused of files that the list does not have', () => {
    writeFileSync(join(folder, 'other'), '')
    expect(sign(pem)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('is not the list of the files') })
    rmSync(join(folder, 'other'))
  })

  // It runs where no package is installed.
  test.each(['deploy/sign-release.ts', 'deploy/sign.ts'])('%s needs no package', (path) => {
    const needed = [...readFileSync(path, 'utf8').matchAll(/ from '([^']+)'/g)].map(([, name]) => name)
    expect(needed.filter((name) => !/^(node:\w+|\.\/sign\.ts)$/.test(name ?? ''))).toEqual([])
  })
})
