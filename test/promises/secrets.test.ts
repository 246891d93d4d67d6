import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chatZai, completionRoute, eventStream, json as siteJson } from '../support/chat-zai.ts'
import { until } from '../support/gateway.ts'
import { answer, scriptedApi } from '../support/zai-api.ts'

// The real program, given secrets and prompts, made to succeed and fail in many ways; then everything it ever wrote
// is searched for every one of them.

const clientKey = 'sk-plantedclientkey0123456789abcdef'
const apiKey = `${'5ec2e7'.repeat(5)}ab.PlantedApiKey1`
const collectorKey = 'plantedcollectorkey'
const prompt = 'planted-prompt-words'
const wrongKey = 'sk-plantedwrongkey'

const main = join(import.meta.dir, '..', '..', 'src', 'main.ts')
const folder = mkdtempSync(join(tmpdir(), 'zai2api-secrets-'))
const site = chatZai()
const web = site.listen()
const webToken = site.addAccount('Planted')
let refusal: (() => Response) | undefined
const api = scriptedApi([apiKey], () => refusal?.() ?? answer('Hello', ' there.'))
const official = api.listen()
afterAll(() => {
  web.stop()
  official.stop()
  rmSync(folder, { recursive: true })
})

const secrets = [
  clientKey,
  clientKey.slice(3),
  btoa(clientKey).slice(0, 20),
  btoa(`Bearer ${clientKey}`).slice(12, 40),
  hexOf(clientKey).slice(0, 40),
  apiKey,
  webToken,
  collectorKey,
  wrongKey,
  prompt,
  'PlantedApiKey',
  'lanted-',
]

const env = {
  PATH: process.env.PATH ?? '',
  LISTEN_PORT: '0',
  AUTH_TOKEN: clientKey,
  ZAI_API_KEY: apiKey,
  ZAI_API_BASE: official.baseUrl,
  ZAI_TOKEN: webToken,
  API_ENDPOINT: `${web.url}/api/v2/chat/completions`,
  ANONYMOUS_MODE: 'false',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
  OTEL_EXPORTER_OTLP_HEADERS: `x-key=${collectorKey}`,
  MAX_BODY_BYTES: '100000',
}

function start(args: string[], more: Record<string, string>) {
  const child = Bun.spawn([process.execPath, main, ...args], {
    cwd: folder,
    env: { ...env, ...more },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const said = { stdout: '', stderr: '' }
  const finished = Promise.all(
    (['stdout', 'stderr'] as const).map(async (name) => {
      const decoder = new TextDecoder()
      for await (const piece of child[name]) said[name] += decoder.decode(piece, { stream: true })
    }),
  )
  return { child, said, finished }
}

const beginning =
  'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}],"type":"chat:completion","data":{"delta_content":"Hello","phase":"answer"}}\n\n'

/** Which of the secrets stand in a text. */
function leaks(text: string): string[] {
  return secrets.filter((secret) => text.includes(secret))
}

test('the search itself finds what is there', () => {
  expect(leaks(`key=${clientKey} ${prompt}`)).toEqual([clientKey, clientKey.slice(3), prompt, 'lanted-'])
})

const says = (content: unknown, more: object = {}) =>
  JSON.stringify({ model: 'GLM-4.6', max_tokens: 50, messages: [{ role: 'user', content }], ...more })

describe.each(['zai-api', 'zai-web'] as const)('with %s the server writes no secret', (upstream) => {
  const replies: string[] = []
  let server: ReturnType<typeof start>
  // At `debug` the log quotes what an upstream says of its errors, and that may be anything but a credential.
  const level = upstream === 'zai-api' ? 'info' : 'debug'
  const quoted = level === 'debug' ? [prompt, 'lanted-'] : []
  let url = ''

  beforeAll(async () => {
    server = start(['serve'], { UPSTREAMS: upstream, LOG_LEVEL: level })
    await until(() => {
      url = /http:\/\/127\.0\.0\.1:\d+/.exec(server.said.stdout)?.[0] ?? ''
      if (server.child.exitCode !== null) throw new Error(`the server ended: ${server.said.stderr}`)
      return url !== ''
    }, 'the address of the server')
  }, 20_000)
  afterAll(() => {
    server.child.kill('SIGKILL')
  })

  /** Asks, and keeps whatever comes back, headers too. */
  async function ask(path: string, init: RequestInit = {}, key = clientKey): Promise<number> {
    const headers = { authorization: `Bearer ${key}`, ...(init.headers as Record<string, string>) }
    const reply = await fetch(url + path, { ...init, headers })
    replies.push(JSON.stringify([...reply.headers]), await reply.text().catch(() => ''))
    return reply.status
  }
  const post = (path: string, body: string, headers: Record<string, string> = {}, key?: string) =>
    ask(path, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } }, key)

  const chat = '/v1/chat/completions'
  const model = upstream === 'zai-api' ? 'GLM-4.6' : 'GLM-4.7'

  test.each<[string, () => Promise<number>, number]>([
    ['a whole reply', () => post(chat, says(prompt, { model })), 200],
    ['a stream', () => post(chat, says(prompt, { model, stream: true })), 200],
    ['Anthropic’s', () => post('/v1/messages', says(prompt, { model, stream: true })), 200],
    ['a response', () => post('/v1/responses', JSON.stringify({ model, input: prompt })), 200],
    ['a token count', () => post('/v1/messages/count_tokens', says(prompt, { model })), 200],
    ['a wrong key', () => post(chat, says(prompt), {}, wrongKey), 401],
    ['a key in the query', () => ask(`/v1/models?key=${clientKey}`, {}, wrongKey), 401],
    ['a prompt where messages belong', () => post(chat, JSON.stringify({ model, messages: prompt })), 200],
    ['a prompt where an object belongs', () => post(chat, JSON.stringify(prompt)), 400],
    [
      'a prompt for a role',
      () => post(chat, JSON.stringify({ model, messages: [{ role: `${prompt} and more`, content: 'Hi' }] })),
      200,
    ],
    ['a prompt for a number', () => post(chat, says('x', { model, temperature: prompt })), 400],
    ['a prompt that is no JSON', () => post(chat, prompt), 400],
    ['a prompt in broken JSON', () => post(chat, `{"messages": ${prompt}}`), 400],
    ['a prompt with a packing it has not', () => post(chat, says(prompt), { 'content-encoding': 'gzip' }), 400],
    ['a prompt that is too large', () => post(chat, says(prompt.repeat(10_000))), 413],
    [
      'a file on a private address',
      () => post('/v1/messages', says([document('http://127.0.0.1:1/planted-file')], { model })),
      400,
    ],
    ['a reply of somebody', () => ask('/v1/responses/resp_1', {}, wrongKey), 401],
    ['the page', () => ask('/docs'), 200],
    ['the document', () => ask('/openapi.json'), 200],
    ['the metrics', () => ask('/metrics'), 200],
    ['the models', () => ask('/v1/models'), 200],
    ['readiness', () => ask('/readyz'), 200],
  ])('when asked for %s', async (_name, ask, status) => {
    expect(await ask()).toBe(status)
    expect(replies.flatMap(leaks)).toEqual([])
  })

  // A credential that was refused is not used again: it comes last.
  const echo = `Authorization: Bearer ${apiKey}; x-key: ${collectorKey} ${clientKey} ${webToken} ${'y '.repeat(40)}${collectorKey} ${clientKey.slice(3)}`
  const refusals: [string, () => Response][] = [
    ['what it was sent', () => siteJson({ error: { code: '1210', message: echo } }, 400)],
    [
      'what it was sent, in base64 and in hex, as a header',
      () => siteJson({ error: { code: '1210', message: `${btoa(`Bearer ${clientKey}`)} ${hexOf(clientKey)}` } }, 400),
    ],
    ['what it was sent, in base64', () => siteJson({ error: { code: '1210', message: btoa(clientKey) } }, 400)],
    [
      'what it was sent, in a frame',
      () => eventStream(`data: ${JSON.stringify({ error: { code: '1210', message: echo } })}\n\n`),
    ],
    [
      'what it was sent, in the middle of a reply',
      () => eventStream(`${beginning}data: ${JSON.stringify({ error: { code: '1210', message: echo } })}\n\n`),
    ],
    ['nonsense', () => new Response(`<html>${apiKey} ${webToken} ${prompt}</html>`, { status: 200 })],
    ['an error page', () => new Response(`oops ${apiKey} ${webToken} ${prompt}`, { status: 500 })],
    ['an error in JSON', () => siteJson({ error: { code: '1234', message: `no: ${apiKey} ${webToken}` } }, 500)],
    ['bad credentials', () => siteJson({ error: { code: '1001', message: `no: ${apiKey} ${webToken}` } }, 401)],
  ]
  test.each(refusals)(
    'when the upstream answers %s',
    async (_name, refuse) => {
      refusal = refuse
      if (upstream === 'zai-web') site.script(completionRoute, ...Array.from({ length: 8 }, () => refuse))
      for (const stream of [false, true]) await post(chat, says('Hi', { model, stream }))
      await post('/v1/messages', says('Hi', { model, stream: true }))
      await ask('/readyz')
      expect(replies.length).toBeGreaterThan(0)
      site.clear(completionRoute)
      refusal = undefined
      expect(replies.flatMap(leaks)).toEqual([])
    },
    60_000,
  )

  test('and asks no private address for a client', async () => {
    const asked: string[] = []
    const inner = Bun.serve({
      port: 0,
      fetch(request) {
        asked.push(request.url)
        return new Response('inner secret')
      },
    })
    const hosts = ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '0.0.0.0']
    for (const host of hosts) {
      const address = { type: 'url', url: `http://${host}:${inner.port}/file` }
      // Addresses of images are passed on to the official API, which fetches them itself.
      for (const type of upstream === 'zai-web' ? ['image', 'document'] : ['document']) {
        const body = says([{ type, source: address }], { model: upstream === 'zai-web' ? 'GLM-4.6V' : model })
        expect([host, type, await post('/v1/messages', body)]).toEqual([host, type, 400])
        expect(replies.at(-1)).toContain('not on the public internet')
      }
    }
    expect(asked).toEqual([])
    await inner.stop(true)
  })

  test('when the client leaves in the middle of its request', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    await new Promise<void>((resolve) => socket.once('connect', resolve))
    socket.end(
      `POST ${chat} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${clientKey}\r\nContent-Length: 999\r\n\r\n${prompt}`,
    )
    await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  })

  test('to its log, from the first line to the last', async () => {
    server.child.kill('SIGTERM')
    await server.child.exited
    await server.finished
    expect(server.said.stderr.match(/POST \/v1\/chat\/completions/g)?.length).toBeGreaterThan(10)
    expect(server.said.stderr).toContain('stopped')
    expect(leaks(server.said.stdout)).toEqual([])
    expect(leaks(server.said.stderr)).toEqual(quoted)
  }, 40_000)
})

test.each([['config'], ['config --json'], ['doctor --offline'], ['doctor --offline --json'], ['models'], ['quota']])(
  'zai2api %s writes no secret',
  async (command) => {
    const { child, said, finished } = start(command.split(' '), {})
    await child.exited
    await finished
    expect(said.stdout.length).toBeGreaterThan(20)
    expect(leaks(said.stdout + said.stderr)).toEqual([])
  },
  30_000,
)

function hexOf(text: string): string {
  return Buffer.from(text).toString('hex')
}

function document(url: string): object {
  return { type: 'document', source: { type: 'url', url } }
}
