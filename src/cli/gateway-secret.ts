import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { plainAddress, proofOf, proofPath } from '../http/gateway-proof.ts'

/** The secret of 64 hexadecimal digits that gateways and commands of one user share. */
const fileName = 'gateway-secret'

/** The secret in the user's state folder; `undefined` where it is missing or another user could have read or written it. */
export function readSecret(folder: string | undefined): string | undefined {
  if (folder === undefined) return undefined
  try {
    const path = join(folder, fileName)
    const stat = lstatSync(path)
    const isOwn = process.getuid === undefined || (stat.uid === process.getuid() && (stat.mode & 0o077) === 0)
    if (!stat.isFile() || !isOwn) return undefined
    return /^[0-9a-f]{64}$/.exec(readFileSync(path, 'utf8').trim())?.[0]
  } catch {
    return undefined
  }
}

/** The same, created where it is missing. Errors: those of the file system. */
export function ensureSecret(folder: string): string {
  const known = readSecret(folder)
  if (known !== undefined) return known
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, fileName)
  const fresh = `${path}.${process.pid}`
  try {
    writeFileSync(fresh, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
    // The umask may have removed bits of the mode.
    chmodSync(fresh, 0o600)
    // Unlike a rename, a link does not replace the file of another gateway that starts at the same moment.
    if (!linked(fresh, path) && readSecret(folder) === undefined) {
      rmSync(path, { force: true })
      linked(fresh, path)
    }
  } finally {
    rmSync(fresh, { force: true })
  }
  const made = readSecret(folder)
  if (made === undefined) throw new Error(`${path} is not private`)
  return made
}

/** False where the path exists already. */
function linked(file: string, path: string): boolean {
  try {
    linkSync(file, path)
    return true
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false
    throw cause
  }
}

const patienceMs = 1_500
/** In characters. A proof has 64, its head some hundred. */
const longestReply = 8_192

/**
 * Whether the server at `url` has the secret. The question goes over a socket of its own, because the proof depends on
 * both ends of the connection (see `identityRoutes`), and so that it never passes a proxy.
 */
export function hasSecret(url: string, secret: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const { hostname, host, port } = new URL(url)
  const nonce = randomBytes(32).toString('hex')
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) })
  let reply = ''
  socket.setEncoding('latin1')
  const deadline = setTimeout(() => socket.destroy(), patienceMs)
  const peer = { address: '', port: 0 }
  let listening: string[] = []
  socket.on('connect', () => {
    listening = listeningAt(plainAddress(socket.remoteAddress ?? ''))
    peer.address = socket.localAddress ?? ''
    peer.port = socket.localPort ?? 0
    socket.write(`GET ${proofPath}?nonce=${nonce} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  })
  socket.on('data', (text) => {
    reply += text
    if (reply.length > longestReply) socket.destroy()
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    clearTimeout(deadline)
    const received = /^HTTP\/1\.1 200 .*\r\n\r\n([0-9a-f]{64})$/s.exec(reply)?.[1]
    const ends = listening.map((address) => ({ server: { address, port: Number(port || 80) }, peer }))
    resolve(ends.some((each) => received === proofOf(secret, each, nonce)))
  })
  return promise
}

/**
 * What a gateway that is reached at this address may have been told to listen on. Where it listens on all addresses,
 * nobody else can have the same port of one of them.
 */
function listeningAt(address: string): string[] {
  const name = address === '127.0.0.1' || address === '::1' ? ['localhost'] : []
  return [address, ...name, '0.0.0.0', '::']
}
