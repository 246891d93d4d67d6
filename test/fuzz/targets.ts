import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { systemClock } from '../../src/async/system-clock.ts'
import { runCli } from '../../src/cli/index.ts'
import { flagOf, settingList, tomlKeyOf } from '../../src/config/table.ts'
import type { Delta } from '../../src/core/events.ts'
import { streamNormaliser } from '../../src/core/stream-normaliser.ts'
import { chain, runTransform } from '../../src/core/transform.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { dialects } from '../../src/dialects/index.ts'
import { documentedPath } from '../../src/http/base-paths.ts'
import type { Fetch } from '../../src/http-client/send.ts'
import { toolCallParser } from '../../src/prompted-tools/parse.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { apiUpstream } from '../support/api-upstream.ts'
import { chatZai, eventStream, fieldOf } from '../support/chat-zai.ts'
import { type DialectViewName, dialectViewNames, dialectViews, viewOf } from '../support/client-view.ts'
import { gatewayApp, startGateway } from '../support/gateway.ts'
import { lockedGateway } from '../support/locked-gateway.ts'
import { inPieces } from '../support/pieces.ts'
import { anyRequest } from '../support/request-shapes.ts'
import { casesOf, recording } from '../support/transcripts.ts'
import { webUpstream } from '../support/web-gateway.ts'
import { scriptedApi } from '../support/zai-api.ts'
import { type Json, mutated, mutatedBytes } from './mutate.ts'

/** One target of the fuzzer. The property throws for an input that does harm. */
export interface Target {
  name: string
  property: fc.IAsyncProperty<unknown[]> | fc.IProperty<unknown[]>
  /** Called once at the end. */
  close?: () => Promise<unknown>
}

export function targets(): Target[] {
  return [
    ...Object.keys(paths).map(bodies),
    requestText(),
    callersWithoutKey(),
    ...Object.keys(replaying).map(recordings),
    toolCallText(),
    configuration(),
  ]
}

/** The longest time that any response may take. */
const patienceMs = 10_000

async function inTime<T>(work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`nothing after ${patienceMs} ms`)), patienceMs)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** The address of each dialect, by its id. */
const paths: Record<string, string> = Object.fromEntries(
  dialects.map((dialect) => {
    const [{ path } = { path: '' }] = dialect.routes.filter(({ serves }) => serves === 'reply')
    return [dialect.id, documentedPath(dialect, path).replace(/:model\+?/, 'GLM-4.5')]
  }),
)

const requestsFolder = join(import.meta.dir, '../golden/requests')

/** Mutated requests of real clients. Expected is a response of the dialect, or an error that names the field. */
function bodies(dialect: string): Target {
  const samples = readdirSync(join(requestsFolder, dialect)).map((name): Json => {
    const text = readFileSync(join(requestsFolder, dialect, name, 'in.json'), 'utf8')
    // Nothing is fetched here.
    return JSON.parse(text.replaceAll(/https:[^"]+/g, 'data:image/png;base64,AAAA')).body
  })
  const app = gatewayApp([demo({ clock: systemClock, idleMs: 1_000, paceMs: 0 })], { loopLimit: 0 })
  const dialectView = Object.values(dialectViews).find(({ path }) => path === paths[dialect])
  return {
    name: `bodies of ${dialect}`,
    property: fc.asyncProperty(mutated(samples), async (body) => {
      const text = JSON.stringify(body)
      const request = new Request(`http://localhost${paths[dialect]}`, { method: 'POST', body: text })
      const response = await inTime(app.handle(request))
      if (response.status >= 400) judgeRefusal(response.status, await inTime(response.json()))
      else if (dialectView) {
        const view = await inTime(viewOf(dialectView, response))
        if (view.endings !== 1 || !view.endedLast) throw new Error(`${view.endings} endings`)
      } else await inTime(response.text())
    }),
  }
}

function judgeRefusal(status: number, body: unknown): void {
  const error = fieldOf(body, 'error')
  // Ollama's errors are the message alone.
  const message = typeof error === 'string' ? error : fieldOf(error, 'message')
  if (typeof message !== 'string') throw new Error(`status ${status} without a message: ${JSON.stringify(body)}`)
  // A schema that no value fits is allowed, and the demo cannot fulfil it.
  if (
    status >= 500 &&
    fieldOf(error, 'code') !== 'structured_output_invalid' &&
    !/JSON that was asked for/.test(message)
  )
    throw new Error(`status ${status}: ${message}`)
  const named = typeof fieldOf(error, 'param') === 'string' || /^(?:[\w.[\]\\/-]|"(?:[^"\\]|\\.)*")+: /.test(message)
  if (status === 400 && !named && !/body|image|file/i.test(message)) throw new Error(`names no field: ${message}`)
  if (/\n|\.ts:|node_modules/.test(message)) throw new Error(`tells of the inside: ${message}`)
}

/** Arbitrary bytes on a socket. The next request must be served. */
function requestText(): Target {
  const gateway = startGateway([demo({ clock: systemClock, idleMs: 1_000, paceMs: 0 })])
  const { port } = new URL(gateway.url)
  const body = '{"model":"GLM-4.5","messages":[{"role":"user","content":"Hi"}]}'
  const samples = [
    `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    `POST /v1/messages HTTP/1.1\r\nHost: localhost:8080\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    'GET /v1/models?limit=1000 HTTP/1.1\r\nHost: localhost:8080\r\nx-api-key: a\r\n\r\n',
    'DELETE /v1/responses/resp_1 HTTP/1.1\r\nHost: localhost:8080\r\nAuthorization: Bearer a\r\n\r\n',
  ].map((text) => new TextEncoder().encode(text))
  const bytes = fc.oneof(
    { arbitrary: mutatedBytes(samples), weight: 4 },
    { arbitrary: fc.uint8Array({ maxLength: 2_000 }), weight: 1 },
  )
  return {
    name: 'bytes on the socket',
    property: fc.asyncProperty(bytes, async (sent) => {
      const answer = await inTime(spoken(Number(port), sent))
      const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(answer) ?? []
      // 501 and 505 are the server's answers to unsupported HTTP.
      if (/^(?:500|502|503|504)$/.test(status ?? '')) throw new Error(answer)
      const health = await inTime(fetch(`${gateway.url}/healthz`))
      if (health.status !== 200) throw new Error(`healthz says ${health.status}`)
      await health.text()
    }),
    close: () => gateway.stop(),
  }
}

/** Requests without a key in any spelling. Expected is a refusal or a public page. */
function callersWithoutKey(): Target {
  const { isHarmless, stop } = lockedGateway()
  return {
    name: 'callers without a key',
    property: fc.asyncProperty(anyRequest(), async (asked) => {
      if (!(await inTime(isHarmless(asked)))) throw new Error('was let in')
    }),
    close: stop,
  }
}

/** The response, read until the other side closes the connection or the response is complete. */
function spoken(port: number, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let received = ''
    const socket = connect(port, '127.0.0.1')
    const done = () => {
      socket.destroy()
      resolve(received)
    }
    socket.on('data', (piece) => {
      received += piece.toString('latin1')
      if (received.includes('\r\n\r\n')) done()
    })
    socket.on('error', done)
    socket.on('close', done)
    socket.on('connect', () => socket.end(bytes)) // half closed: nothing more will come
  })
}

const completions = /\/chat\/completions$/

type Reply = () => Response

const replaying: Record<string, (reply: Reply) => Upstream> = {
  'zai-api': (reply) => {
    const api = scriptedApi(['key'])
    const fetch: Fetch = async (url, init) => (completions.test(url) ? reply() : api.fetch(url, init))
    return apiUpstream({ origin: 'https://api.z.ai', key: 'key', fetch, idleMs: 5_000 })
  },
  'zai-web': (reply) => {
    const site = chatZai()
    const fetch: Fetch = async (url, init) =>
      completions.test(new URL(url).pathname) ? reply() : site.fetch(url, init)
    return webUpstream({
      url: 'https://chat.z.ai',
      fetch,
      tokens: [],
      idleMs: 5_000,
      queue: { queueLimit: 10, queueMs: 0 },
    })
  },
}

const weather = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }

/** The same question in each dialect, with a tool that the recordings call. */
const tools: Record<DialectViewName, object> = {
  chat: { tools: [{ type: 'function', function: { name: 'get_weather', parameters: weather } }] },
  messages: { tools: [{ name: 'get_weather', input_schema: weather }] },
  responses: { tools: [{ type: 'function', name: 'get_weather', parameters: weather }] },
}

/** Mutated replies of an upstream. The client must read one reply with one ending. */
function recordings(upstream: string): Target {
  const samples = casesOf(upstream).map((name) => recording(upstream, name))
  const asking = fc.record({
    bytes: mutatedBytes(samples),
    pieceSize: fc.constantFrom(7, 64, 1_000_000),
    dialect: fc.constantFrom(...dialectViewNames),
    stream: fc.boolean(),
  })
  const fresh = replaying[upstream]
  if (fresh === undefined) throw new Error(`no upstream ${upstream}`)
  // A new upstream for every reply, because an upstream remembers refusals. Only its name and models stay.
  let current = fresh(() => eventStream(''))
  const app = gatewayApp([{ ...current, open: (call) => current.open(call) }])
  return {
    name: `answers of ${upstream}`,
    property: fc.asyncProperty(asking, async ({ bytes, pieceSize, dialect, stream }) => {
      const dialectView = dialectViews[dialect]
      current = fresh(() => eventStream(inPieces(bytes, pieceSize)))
      const body = JSON.stringify({ model: 'glm-4.7', ...dialectView.body, ...tools[dialect], stream })
      const response = await inTime(
        app.handle(new Request(`http://localhost${dialectView.path}`, { method: 'POST', body })),
      )
      const view = await inTime(viewOf(dialectView, response))
      if (view.status === 500) throw new Error(`status 500: ${view.error}`)
      if (view.endings !== 1 || !view.endedLast) throw new Error(`${view.endings} endings`)
      if (/^The gateway failed/.test(view.error ?? '')) throw new Error(view.error)
    }),
  }
}

const fragments =
  '<tool_call>|</tool_call>|<tool_calls>|</tool_calls>|<function_calls>|</function_calls>|<function_call>|<invoke name="get_weather">|</invoke>|<parameter name="city">|</parameter>|<tool>|</tool>|<args_json>|</args_json>|<arg_key>|</arg_key>|<arg_value>|</arg_value>|<![CDATA[|]]>|<tool_response>|<name>|</name>|get_weather|{"name":"get_weather","arguments":{"city":"Oslo"}}|{"tool_calls":[|{"city":|"Oslo"|}|]}|{|[|"|\\"|```json\n|```\n|`|~~~\n|(city="Oslo")|“|,|:|\n|\r\n| |null|\ud83d\ude00|1e999'.split(
    '|',
  )

/** Tool calls as text, assembled from fragments. No split may change the result, and the reply ends once. */
function toolCallText(): Target {
  const piece = fc.oneof({ arbitrary: fc.constantFrom(...fragments), weight: 5 }, { arbitrary: fc.string(), weight: 1 })
  const written = fc.array(piece, { maxLength: 25 })
  return {
    name: 'tool calls as text',
    property: fc.property(written, fc.integer({ min: 1, max: 9 }), (pieces, size) => {
      const text = pieces.join('')
      const inOne = received([text])
      const cut = received(text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [])
      if (JSON.stringify(inOne) !== JSON.stringify(cut)) throw new Error(`a cut every ${size} changes what is read`)
    }),
  }
}

function received(texts: readonly string[]): object[] {
  const known = [{ name: 'get_weather', description: '', parameters: weather }]
  const rules = streamNormaliser({ newToolCallId: () => 'call', inputTokens: 1, countTokens: () => 1 })
  const said = texts.map((text): Delta => ({ type: 'text', text }))
  const events = runTransform(chain(toolCallParser(known, { scanLimit: 100_000 }), rules), [
    ...said,
    { type: 'finish', reason: 'stop' },
  ])
  const endings = events.filter(({ type }) => type === 'message-end' || type === 'error')
  if (endings.length !== 1 || events.at(-1) !== endings[0]) throw new Error(`${endings.length} endings`)
  return events.flatMap((event): object[] => {
    // The deltas may differ, but not their concatenation.
    if (event.type.endsWith('-delta')) return []
    return [event.type === 'error' ? { type: 'error', message: event.error.message } : event]
  })
}

/** Flags, variables, `.env` and TOML. Expected is a start, or one line with the error. */
function configuration(): Target {
  const names = settingList.flatMap((setting) => [setting.env, tomlKeyOf(setting), `--${flagOf(setting)}`])
  const value = fc.oneof(
    fc.constantFrom(
      '',
      ' ',
      '0',
      '-1',
      'true',
      'demo',
      'zai-api',
      '"',
      "'",
      '[',
      '{',
      '=',
      '#',
      '\n',
      '\r',
      '\0',
      '127.0.0.1',
      'http://a/v4',
      '__proto__',
      'a=b,c',
      '{"a":1}',
      '1e9',
      '\ud800',
      '[[',
      '1979-05-27',
    ),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ maxLength: 12 }),
  )
  const name = fc.oneof({ arbitrary: fc.constantFrom(...names), weight: 3 }, { arbitrary: value, weight: 1 })
  const line = fc.tuple(name, fc.constantFrom('=', ' = ', ':', ''), value).map((parts) => parts.join(''))
  const world = fc.record({
    argv: fc.array(fc.oneof(name, value, line, fc.constantFrom('config', 'serve', 'demo', '--', '--json')), {
      maxLength: 5,
    }),
    env: fc.dictionary(name, value, { maxKeys: 4 }),
    dotEnv: fc.array(line, { maxLength: 6 }).map((lines) => lines.join('\n')),
    toml: fc.array(line, { maxLength: 6 }).map((lines) => lines.join('\n')),
  })
  return {
    name: 'configuration',
    property: fc.asyncProperty(world, async ({ argv, env, dotEnv, toml }) => {
      const files: Record<string, string> = { '/srv/.env': dotEnv, '/srv/zai2api.toml': toml }
      const said: string[] = []
      const started = async () => 0
      const io = {
        env,
        cwd: '/srv',
        readFile: (path: string) => (Object.hasOwn(files, path) ? files[path] : undefined),
        stdout: () => {},
        stderr: (text: string) => void said.push(text),
        version: 'test',
      }
      const commands = {
        setup: started,
        serve: started,
        demo: started,
        models: started,
        quota: started,
        key: started,
        launch: started,
        env: started,
        doctor: started,
      }
      const code = await inTime(runCli(argv, io, commands))
      const stderr = said.join('')
      // Each warning has a line.
      if (code === 0 && /^(?:zai2api: [^\n]+\n)*$/.test(stderr)) return
      const oneLine = /^zai2api: [^\n]+\n$/.test(stderr)
      // The new key that is offered has a line of its own.
      if (code !== 2 || !(oneLine || /^zai2api: will not listen on .+\n.+\nAUTH_TOKEN=\S+\n$/.test(stderr)))
        throw new Error(`exit ${code}: ${JSON.stringify(stderr)}`)
    }),
  }
}
