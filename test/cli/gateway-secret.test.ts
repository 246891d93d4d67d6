import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { ensureSecret, hasSecret, readSecret } from '../../src/cli/gateway-secret.ts'
import { stateFolder } from '../../src/config/folders.ts'
import { proofOf } from '../../src/http/gateway-proof.ts'
import { listen } from '../../src/server/listen.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp, type RunningGateway, startGateway } from '../support/gateway.ts'

const secret = 'a1'.repeat(32)
const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

/** A server that listens at the given address, and its URL. */
async function listener(received: (socket: Socket) => void, host = '127.0.0.1', port = 0): Promise<string> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    received(socket)
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen({ host, port }, resolve)
  await promise
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`
}

describe('a gateway is recognised', () => {
  let gateway: RunningGateway
  beforeAll(() => {
    gateway = startGateway([upstream], { proofSecret: secret, access: { openaiKey: 'sk-one', anthropicKey: 'sk-one' } })
  })
  afterAll(() => gateway.stop())
  const port = () => Number(new URL(gateway.url).port)

  /** Passes every byte on to the gateway, and back. */
  const relay = (socket: Socket) => {
    const onward = connect(port(), '127.0.0.1')
    onward.on('error', () => socket.destroy())
    socket.pipe(onward).pipe(socket)
  }

  test('by its secret, without a key', async () => {
    expect(await hasSecret(gateway.url, secret)).toBe(true)
  })

  test.each([['127.0.0.1'], ['[::1]']])('by all its addresses: %s', async (host) => {
    const server = listen(gatewayApp([upstream], { proofSecret: secret, access: { openaiKey: 'sk-one' } }), '::', 0)
    cleanups.push(() => server.stop(0))
    expect(await hasSecret(`http://${host}:${new URL(server.url).port}`, secret)).toBe(true)
  })

  test('not by another secret', async () => {
    expect(await hasSecret(gateway.url, 'b2'.repeat(32))).toBe(false)
  })

  test('not without a secret', async () => {
    const other = startGateway([upstream])
    cleanups.push(() => other.stop())
    expect(await hasSecret(other.url, secret)).toBe(false)
  })

  test('not through a relay on another port', async () => {
    expect(await hasSecret(await listener(relay), secret)).toBe(false)
  })

  test('not through a relay on the same port of another address', async () => {
    expect(await hasSecret(await listener(relay, '::1', port()), secret)).toBe(false)
  })

  // An attacker with many connections to the gateway soon has one from the same port as the request.
  test.each([['127.0.0.1'], ['localhost'], ['192.0.2.1'], ['::1']])(
    'not by the proof of a gateway on the same port of another address: %s',
    async (address) => {
      const answer = (socket: Socket) =>
        socket.once('data', (text) => {
          const [nonce = ''] = /[0-9a-f]{64}/.exec(String(text)) ?? []
          const { localPort = 0, remoteAddress = '', remotePort = 0 } = socket
          const ends = { server: { address, port: localPort }, peer: { address: remoteAddress, port: remotePort } }
          socket.end(`HTTP/1.1 200 OK\r\n\r\n${proofOf(secret, ends, nonce)}`)
        })
      expect(await hasSecret(await listener(answer, '127.0.0.2'), secret)).toBe(false)
    },
  )

  test.each([['localhost'], ['0.0.0.0'], ['127.0.0.2']])('when it listens on: %s', async (host) => {
    const server = listen(gatewayApp([upstream], { proofSecret: secret, access: { openaiKey: 'sk-one' } }), host, 0)
    cleanups.push(() => server.stop(0))
    const address = host === '127.0.0.2' ? host : '127.0.0.1'
    expect(await hasSecret(`http://${address}:${new URL(server.url).port}`, secret)).toBe(true)
    expect(await hasSecret(`http://${host}:${new URL(server.url).port}`, secret)).toBe(true)
  })

  test('not by a replayed proof', async () => {
    const nonce = '0'.repeat(64)
    const answer = await (await fetch(`${gateway.url}/proof?nonce=${nonce}`)).text()
    expect(answer).toMatch(/^[0-9a-f]{64}$/)
    const replay = (socket: Socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${answer}`)
    expect(await hasSecret(await listener(replay), secret)).toBe(false)
  })

  test.each<[string, (socket: Socket) => void]>([
    ['says nothing', () => {}],
    ['hangs up', (socket) => socket.destroy()],
    ['never ends', (socket) => void socket.write('x'.repeat(100_000))],
    ['speaks no HTTP', (socket) => socket.end('hello\r\n\r\n')],
    ['sends the question back', (socket) => socket.on('data', (text) => socket.end(text))],
  ])('not if the server %s', async (_name, action) => {
    expect(await hasSecret(await listener(action), secret)).toBe(false)
  })

  test('not if nothing listens', async () => {
    expect(await hasSecret('http://127.0.0.1:1', secret)).toBe(false)
  })

  test.each([[''], ['?nonce='], ['?nonce=xyz'], [`?nonce=${'A'.repeat(64)}`], [`?nonce=${'0'.repeat(65)}`]])(
    'and the query %j is refused with a hint',
    async (query) => {
      const response = await fetch(`${gateway.url}/proof${query}`)
      expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('nonce')])
    },
  )
})

describe('the secret', () => {
  function folder(): string {
    const path = mkdtempSync(join(tmpdir(), 'zai2api-identity-'))
    cleanups.push(() => rmSync(path, { recursive: true, force: true }))
    return join(path, 'state', 'zai2api')
  }
  const modeOf = (path: string) => lstatSync(path).mode & 0o777

  test('is created once, readable by its owner only', () => {
    const state = folder()
    expect(readSecret(state)).toBeUndefined()
    const made = ensureSecret(state)
    expect([made, ensureSecret(state), readSecret(state)]).toEqual([
      expect.stringMatching(/^[0-9a-f]{64}$/),
      made,
      made,
    ])
    expect(readdirSync(state)).toEqual(['gateway-secret'])
    expect([modeOf(state), modeOf(join(state, 'gateway-secret'))]).toEqual([0o700, 0o600])
  })

  test.each<[string, (path: string, other: string) => void]>([
    ['that others could read', (path) => chmodSync(path, 0o644)],
    ['that others could write', (path) => chmodSync(path, 0o620)],
    [
      'that leads elsewhere',
      (path, other) => {
        rmSync(path)
        symlinkSync(other, path)
      },
    ],
    [
      'that is none',
      async (path) => {
        await Bun.write(path, 'hello')
      },
    ],
  ])('%s is not used, but replaced', async (_name, spoil) => {
    const [state, elsewhere] = [folder(), folder()]
    const [first, other] = [ensureSecret(state), ensureSecret(elsewhere)]
    await spoil(join(state, 'gateway-secret'), join(elsewhere, 'gateway-secret'))
    expect(readSecret(state)).toBeUndefined()
    const second = ensureSecret(state)
    expect([first, other]).not.toContain(second)
    expect([readSecret(state), readSecret(elsewhere)]).toEqual([second, other])
    expect(modeOf(join(state, 'gateway-secret'))).toBe(0o600)
  })

  test('is the same for gateways that start at the same moment', async () => {
    const state = folder()
    const script = `import { ensureSecret } from '${join(import.meta.dir, '../../src/cli/gateway-secret.ts')}'
console.log(ensureSecret('${state}'))`
    const children = Array.from({ length: 4 }, () => Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' }))
    const said = await Promise.all(children.map((child) => new Response(child.stdout).text()))
    expect(new Set(said)).toEqual(new Set([readFileSync(join(state, 'gateway-secret'), 'utf8')]))
  }, 20_000)

  test('cannot be created without its folder', () => {
    const state = folder()
    mkdirSync(join(state, '..'), { recursive: true })
    symlinkSync('/dev/null', state)
    expect(() => ensureSecret(state)).toThrow()
    expect(readSecret(state)).toBeUndefined()
  })

  test.each<[string, Record<string, string>, string | undefined]>([
    ['of the service', { STATE_DIRECTORY: '/var/lib/zai2api:/x', HOME: '/root' }, '/var/lib/zai2api'],
    ['of the user', { HOME: '/home/me' }, '/home/me/.local/state/zai2api'],
    ['where the user wants it', { HOME: '/home/me', XDG_STATE_HOME: '/state' }, '/state/zai2api'],
    ['of nobody', {}, undefined],
    // A relative path would put it into the working directory.
    ['not in a relative place', { HOME: 'home', XDG_STATE_HOME: '.', STATE_DIRECTORY: 'x' }, undefined],
    ['of a user of Windows', { OS: 'Windows_NT', LOCALAPPDATA: '/c/Local' }, '/c/Local/zai2api'],
  ])('is in the folder %s', (_name, env, expected) => {
    expect(stateFolder(env)).toBe(expected)
  })
})
