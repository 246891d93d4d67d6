import { afterEach, expect, test } from 'bun:test'
import { isPublic } from '../../src/http-client/public-address.ts'
import { fetchRemoteFile, type RemoteFileOptions } from '../../src/http-client/remote-file.ts'
import { manualClock } from '../support/clock.ts'

const publicAddress = '93.184.215.14'
const png = () => new Response('pixels', { headers: { 'content-type': 'Image/PNG; q=1' } })
const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** The connections that were made, with the name in each. */
interface Dialled {
  url: string
  host: string | null
  serverName: unknown
  proxy: unknown
}

function world(replies: (() => Response | Promise<Response>)[], more: Partial<RemoteFileOptions> = {}) {
  const dialled: Dialled[] = []
  const clock = manualClock()
  const options: RemoteFileOptions = {
    fetch: async (url, init) => {
      const tls = Reflect.get(init, 'tls')
      dialled.push({
        url,
        host: new Headers(init.headers).get('host'),
        serverName: tls === undefined ? undefined : tls.serverName,
        proxy: Reflect.get(init, 'proxy'),
      })
      return (replies.shift() ?? png)()
    },
    lookup: async () => [{ address: publicAddress }],
    clock,
    signal: new AbortController().signal,
    maxBytes: 1024,
    timeoutMs: 15_000,
    ...more,
  }
  return { dialled, clock, get: (url: string) => fetchRemoteFile(url, options) }
}

const refused = { kind: 'invalid-request', param: 'messages', code: 'remote_file_unavailable' }
const redirect = (location: string) => () => new Response(null, { status: 302, headers: { location } })

test.each([
  ['8.8.8.8', true],
  ['172.15.255.255', true],
  ['172.32.0.0', true],
  ['2606:4700::1111', true],
  ['0.0.0.0', false],
  ['10.1.2.3', false],
  ['100.64.0.1', false],
  ['127.0.0.1', false],
  ['127.255.255.255', false],
  ['169.254.169.254', false],
  ['172.16.0.1', false],
  ['172.31.255.255', false],
  ['192.168.1.1', false],
  ['192.0.0.8', false],
  ['192.88.99.1', false],
  ['198.19.0.1', false],
  ['224.0.0.1', false],
  ['239.255.255.255', false],
  ['240.0.0.1', false],
  ['255.255.255.255', false],
  ['::', false],
  ['::1', false],
  ['::ffff:8.8.8.8', false],
  ['::ffff:127.0.0.1', false],
  ['::7f00:1', false],
  ['64:ff9b::7f00:1', false],
  ['64:ff9b:1::1', false],
  ['100::1', false],
  ['2001::1', false],
  ['2001:db8::1', false],
  ['2002:7f00:1::', false],
  ['fc00::1', false],
  ['fd12:3456::1', false],
  ['fe80::1', false],
  ['fe80::1%eth0', false],
  ['fec0::1', false],
  ['ff02::1', false],
  ['localhost', false],
  ['', false],
])('the address %p is public: %p', (address, expected) => {
  expect(isPublic(address)).toBe(expected)
})

test('the connection goes to the checked address with the name of the host, without a proxy', async () => {
  const { dialled, get } = world([])
  expect(await get('https://pictures.example:8443/a/cat.png?size=1#top')).toEqual({
    data: new Uint8Array(Buffer.from('pixels')),
    mediaType: 'image/png',
  })
  expect(dialled).toEqual([
    {
      url: `https://${publicAddress}:8443/a/cat.png?size=1`,
      host: 'pictures.example:8443',
      serverName: 'pictures.example',
      proxy: false,
    },
  ])
})

test('an IPv6 address is dialled in brackets, an address in the URL without a TLS name', async () => {
  const { dialled, get } = world([], { lookup: async () => [{ address: '2606:4700::1111' }] })
  await get('http://pictures.example/cat.png')
  await get('http://8.8.8.8/cat.png')
  expect(dialled.map(({ url, serverName }) => [url, serverName])).toEqual([
    ['http://[2606:4700::1111]/cat.png', 'pictures.example'],
    ['http://8.8.8.8/cat.png', undefined],
  ])
})

test('a name that changes its address is connected at the checked address', async () => {
  const answers = [publicAddress, '127.0.0.1']
  const { dialled, get } = world([], { lookup: async () => [{ address: answers.shift() ?? '' }] })
  await get('http://rebinding.example/cat.png')
  expect(dialled.map(({ url }) => url)).toEqual([`http://${publicAddress}/cat.png`])
  expect(answers).toEqual(['127.0.0.1'])
})

test.each([
  ['another scheme', 'ftp://pictures.example/cat.png'],
  ['a file', 'file:///etc/passwd'],
  ['a user name', 'http://me@pictures.example/cat.png'],
  ['a password', 'http://:secret@pictures.example/cat.png'],
  ['no URL at all', 'cat.png'],
  ['loopback', 'http://127.0.0.1/cat.png'],
  ['loopback as one number', 'http://2130706433/cat.png'],
  ['loopback in octal', 'http://0177.0.0.1/cat.png'],
  ['loopback in IPv6', 'http://[::1]/cat.png'],
  ['mapped IPv4', 'http://[::ffff:10.0.0.1]/cat.png'],
  ['cloud metadata', 'http://169.254.169.254/latest/meta-data'],
])('an address with %s is refused before anything is dialled', async (_name, url) => {
  const { dialled, get } = world([])
  expect(get(url)).rejects.toMatchObject(refused)
  expect(dialled).toHaveLength(0)
})

test.each([
  ['one private address among public ones', async () => [{ address: publicAddress }, { address: '10.0.0.1' }]],
  ['no address', async () => []],
  ['an unknown name', () => Promise.reject(new Error('ENOTFOUND'))],
])('a host with %s is refused', async (_name, lookup) => {
  const { dialled, get } = world([], { lookup })
  expect(get('http://pictures.example/cat.png')).rejects.toMatchObject(refused)
  expect(dialled).toHaveLength(0)
})

test('redirects are followed, relative ones to the name and not to the address', async () => {
  const { dialled, get } = world([redirect('/other.png'), redirect('//cdn.example/third.png')])
  await get('https://pictures.example/cat.png')
  expect(dialled.map(({ url, host }) => [url, host])).toEqual([
    [`https://${publicAddress}/cat.png`, 'pictures.example'],
    [`https://${publicAddress}/other.png`, 'pictures.example'],
    [`https://${publicAddress}/third.png`, 'cdn.example'],
  ])
})

test.each([
  ['to a private address', [redirect('http://192.168.0.1/cat.png')], 1],
  ['to another scheme', [redirect('file:///etc/passwd')], 1],
  ['four times', Array.from({ length: 4 }, () => redirect('/again.png')), 4],
])('a redirect %s is refused', async (_name, replies, dials) => {
  const { dialled, get } = world(replies)
  await expect(get('http://pictures.example/cat.png')).rejects.toMatchObject(refused)
  expect(dialled).toHaveLength(dials)
})

test.each([
  ['says so', () => new Response('x', { headers: { 'content-length': '1025' } })],
  ['does not say so', () => new Response('x'.repeat(1025))],
])('a file over the limit is refused whether its host %s or not', (_name, reply) => {
  expect(world([reply]).get('http://pictures.example/cat.png')).rejects.toMatchObject(refused)
})

test('an error status is reported', () => {
  const { get } = world([() => new Response('gone', { status: 410 })])
  expect(get('http://pictures.example/cat.png')).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('410'),
  })
})

test('the next address is tried when one cannot be reached', async () => {
  const { dialled, get } = world([() => Promise.reject(new TypeError('refused'))], {
    lookup: async () => [{ address: '2606:4700::1111' }, { address: publicAddress }],
  })
  await get('http://pictures.example/cat.png')
  expect(dialled.map(({ url }) => url)).toEqual([`http://${publicAddress}/cat.png`, 'http://[2606:4700::1111]/cat.png'])
})

test('a DNS lookup that hangs ends at the deadline', async () => {
  const { clock, get } = world([], { lookup: () => new Promise(() => {}) })
  const file = get('http://pictures.example/cat.png')
  clock.advance(15_000)
  expect(file).rejects.toMatchObject({ ...refused, message: expect.stringContaining('15 s') })
})

test('an abort ends the download', async () => {
  const client = new AbortController()
  const { get } = world([], { signal: client.signal, lookup: () => new Promise(() => {}) })
  const file = get('http://pictures.example/cat.png')
  client.abort()
  expect(file).rejects.toMatchObject({ kind: 'cancelled' })
})

test('errors do not repeat the address', async () => {
  const { get } = world([() => Promise.reject(Object.assign(new Error('no'), { path: 'http://x/?key=secret' }))])
  const error: unknown = await get('http://pictures.example/?key=secret').catch((thrown: unknown) => thrown)
  expect(Bun.inspect(error)).not.toContain('secret')
})

test('a real connection goes to the pinned address', async () => {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request) => new Response(request.headers.get('host')),
  })
  stops.push(() => void server.stop(true))
  // Loopback addresses are rejected, so the connection to the checked address is redirected here.
  const { get } = world([], {
    fetch: (url, init) => fetch(url.replace(`http://${publicAddress}`, `http://127.0.0.1:${server.port}`), init),
  })
  const { data } = await get('http://pictures.example/cat.png')
  expect(Buffer.from(data).toString()).toBe('pictures.example')
})
