import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { plainAddress, proofOf, proofPath } from '../http/gateway-proof.ts'

/** The file with the secret that gateways and commands of one user share: 64 hexadecimal digits. */
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

/** The secret of a service that runs as a user of its own, for root. */
export function readSecretAsRoot(folder: string): string | undefined {
  try {
    const path = join(folder, fileName)
    if (!lstatSync(path).isFile()) return undefined
    return /^[0-9a-f]{64}$/.exec(readFileSync(path, 'utf8').trim())?.[0]
  } catch {
    return undefined
  }
}

/** Reads the secret, and creates it if it is missing or unusable. Errors: those of the file system. */
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

/** Creates a hard link; false if the path already exists. */
function linked(file: string, path: string): boolean {
  try {
    linkSync(file, path)
    return true
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false
    throw cause
  }
}

const proofTimeoutMs = 1_500
/** In characters. A proof has 64, and its HTTP headers a few hundred. */
const maxReplyLength = 8_192

/**
 * Whether the server at `url` has the secret. The request is written to a plain socket, because the proof covers the
 * addresses of both ends of the connection (see `http/gateway-proof.ts`), and because it must not go through a proxy.
 */
export function hasSecret(url: string, secret: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const { hostname, host, port } = new URL(url)
  const nonce = randomBytes(32).toString('hex')
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) })
  let reply = ''
  socket.setEncoding('latin1')
  const deadline = setTimeout(() => socket.destroy(), proofTimeoutMs)
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
    if (reply.length > maxReplyLength) socket.destroy()
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
 * The values of HOST with which a gateway is reached at this address. A gateway that listens on all addresses is safe
 * to accept: no other process can listen on the same port of one of them.
 */
function listeningAt(address: string): string[] {
  const name = address === '127.0.0.1' || address === '::1' ? ['localhost'] : []
  return [address, ...name, '0.0.0.0', '::']
}
