import { describe, expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { version } from '../package.json' with { type: 'json' }
import { pdfOf } from './support/pdf.ts'

// `make smoke` builds the executable and names it here.
const binary = process.env.BINARY ?? ''

/** A user's machine at its barest: an empty folder, no PATH, no environment. */
describe.skipIf(binary === '')('the executable (make smoke)', () => {
  test('says its version', async () => {
    expect(await run(['version'])).toEqual({ code: 0, stdout: expect.stringContaining(version), stderr: '' })
  })

  test('explains itself', async () => {
    expect(await run(['--help'])).toEqual({ code: 0, stdout: expect.stringContaining('demo'), stderr: '' })
  })

  test('refuses a flag it does not know', async () => {
    const { code, stderr } = await run(['demo', '--no-such-flag'])
    expect(code).toBe(2)
    expect(stderr).toContain('--no-such-flag')
  })

  test('runs nothing that lies in its folder', async () => {
    const { code, stdout } = await run(['version'], {
      'bunfig.toml': 'preload = ["./preload.ts"]\n',
      'preload.ts': 'console.log("preloaded")\n',
    })
    expect(code).toBe(0)
    expect(stdout).not.toContain('preloaded')
  })

  test('serves the demo, and finishes what it serves before it obeys SIGTERM', async () => {
    await using folder = await temporaryFolder()
    const startedAt = performance.now()
    await using gateway = spawn(['demo', '--port', '0'], folder.path)
    const url = await readyUrl(gateway.stdout)
    console.log(`ready after ${Math.round(performance.now() - startedAt)} ms`)

    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    const model = await firstModel(url)

    // The page and its parts are files inside the executable.
    const page = await (await fetch(`${url}/docs`)).text()
    const parts = [...page.matchAll(/(?:src|href)="(docs\/[^"]+)"/g)].map(async ([, part]) => fetch(`${url}/${part}`))
    expect((await Promise.all(parts)).map((part) => part.status)).toEqual(parts.map(() => 200))
    expect(parts.length).toBeGreaterThan(0)

    const message = await post(`${url}/v1/messages`, { model, max_tokens: 1000, messages: hello })
    expect(message.status).toBe(200)
    expect(await message.json()).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'end_turn' })

    // The threads that judge by schemas and read files are entry points of their own. The demo knows no patterns.
    const schema = { type: 'object', properties: { code: { type: 'string', pattern: '^[0-9]+$' } }, required: ['code'] }
    const strict = { type: 'json_schema', json_schema: { name: 'code', strict: true, schema } }
    const judged = await post(`${url}/v1/chat/completions`, { model, messages: hello, response_format: strict })
    expect(judged.status).toBe(502)
    expect(await judged.text()).toContain('code must match pattern')

    const file = `data:application/pdf;base64,${Buffer.from(pdfOf([{ lines: ['A page'] }])).toString('base64')}`
    const letter = [{ role: 'user', content: [{ type: 'file', file: { filename: 'letter.pdf', file_data: file } }] }]
    expect(await post(`${url}/v1/chat/completions`, { model, messages: letter })).toMatchObject({ status: 200 })

    const completion = await post(`${url}/v1/chat/completions`, { model, stream: true, messages: hello })
    expect(completion.status).toBe(200)
    const text = await readStream(completion, () => gateway.kill('SIGTERM'))
    expect(text).toContain('"finish_reason":"stop"')
    expect(text).toEndWith('data: [DONE]\n\n')

    expect(await gateway.exited).toBe(0)
    expect(await readdir(folder.path)).toEqual([])
  }, 30_000)

  // Where a proxy is named the gateway uses Bun's own `fetch`, which runs 256 requests at a time unless told otherwise.
  test.each([
    ['directly', {}],
    ['with a proxy for other hosts', { HTTP_PROXY: 'http://127.0.0.1:9', NO_PROXY: '127.0.0.1' }],
  ])(
    'answers 400 streams at a time, %s',
    async (_name, proxies) => {
      using upstream = silentUpstream()
      await using folder = await temporaryFolder()
      const settings = { ZAI_API_KEY: 'key', ZAI_API_BASE: `${upstream.url}/v4`, QUEUE_LIMIT: '1000', ...proxies }
      await using gateway = spawn(['serve', '--port', '0'], folder.path, settings)
      const { port } = new URL(await readyUrl(gateway.stdout))
      const sockets = Array.from({ length: 400 }, () => connect(Number(port), '127.0.0.1'))
      await Promise.all(sockets.map(firstWord))
      expect(upstream.open()).toBe(400)
      for (const socket of sockets) socket.destroy()
      gateway.kill('SIGKILL')
      await gateway.exited
    },
    60_000,
  )

  test.each([
    ['starts itself once more, as the same process with the same arguments, and without a loop', false],
    ['does so with more requests at a time behind a proxy', true],
  ])(
    '%s',
    async (_name, proxied) => {
      await using folder = await temporaryFolder()
      const proxies: Record<string, string> = proxied ? { HTTP_PROXY: 'http://127.0.0.1:9' } : {}
      await using gateway = spawn(['serve', '--port', '0', '--upstreams', 'demo'], folder.path, proxies)
      await readyUrl(gateway.stdout)
      if (process.platform === 'linux') {
        const environment = await readFile(`/proc/${gateway.pid}/environ`, 'utf8')
        expect(environment.split('\0')).toContain('BUN_JSC_useFTLJIT=0')
        expect(environment.includes('BUN_CONFIG_MAX_HTTP_REQUESTS=20000')).toBe(proxied)
      }
      gateway.kill('SIGTERM')
      expect(await gateway.exited).toBe(0)
    },
    30_000,
  )
})

/** Says one word to each request and then nothing more. */
function silentUpstream() {
  const word = { choices: [{ index: 0, delta: { role: 'assistant', content: 'A first word, and then silence.' } }] }
  let open = 0
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    fetch({ method }) {
      if (method === 'GET') return Response.json({ data: [] })
      open++
      const start = (controller: ReadableStreamDefaultController) =>
        controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(word)}\n\n`))
      return new Response(new ReadableStream({ start }), { headers: { 'content-type': 'text/event-stream' } })
    },
  })
  return { url: `http://127.0.0.1:${server.port}`, open: () => open, [Symbol.dispose]: () => void server.stop(true) }
}

/** Asks for a stream, and resolves once its first word is here. The test's own `fetch` would stop at 256. */
function firstWord(socket: Socket): Promise<void> {
  const body = JSON.stringify({ model: 'GLM-4.6', stream: true, messages: hello })
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: ${body.length}\r\n\r\n`
  return new Promise((resolve, reject) => {
    let said = ''
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`closed after: ${said}`)))
    socket.on('data', (piece) => {
      said += piece.toString('latin1')
      if (said.includes('A first word')) resolve()
    })
    socket.on('connect', () => socket.write(head + body))
  })
}

const hello = [{ role: 'user', content: 'Hello!' }]

async function run(args: string[], files: Record<string, string> = {}) {
  await using folder = await temporaryFolder()
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text)
  const child = spawn(args, folder.path)
  const text = (output: ReadableStream<Uint8Array>) => new Response(output).text()
  const [code, stdout, stderr] = await Promise.all([child.exited, text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr }
}

test.skipIf(binary === '')(
  'a release is the same bytes whenever it is made, its signature included',
  async () => {
    await using folder = await temporaryFolder()
    const key = join(folder.path, 'key.pem')
    await writeFile(key, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }))
    const made = async () => {
      const release = [process.execPath, 'deploy/release.ts', 'linux-x64']
      const { exitCode, stderr } = Bun.spawnSync(release, { env: { ...process.env, RELEASE_KEY: key } })
      if (exitCode !== 0) throw new Error(stderr.toString())
      const files = ['SHA256SUMS', 'SHA256SUMS.minisig']
      return Promise.all(files.map((name) => readFile(join('dist/release', name), 'utf8')))
    }
    const first = await made()
    expect(first[0]).toContain('linux-x64.tar.gz')
    expect(await made()).toEqual(first)
  },
  180_000,
)

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'zai2api-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

function spawn(args: string[], cwd: string, settings: Record<string, string> = {}) {
  return Bun.spawn([binary, ...args], { cwd, env: { PATH: '', ...settings }, stdout: 'pipe', stderr: 'pipe' })
}

/** The address on the ready line. The stream stays open: a closed one would fail the gateway's next log line. */
async function readyUrl(stdout: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let said = ''
  for await (const piece of stdout.values({ preventCancel: true })) {
    said += decoder.decode(piece, { stream: true })
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0]
    if (url !== undefined) return url
  }
  throw new Error(`The gateway ended before it was ready, and said: ${said}`)
}

async function firstModel(url: string): Promise<string> {
  const { data }: { data: { id: string }[] } = await (await fetch(`${url}/v1/models`)).json()
  return data[0]?.id ?? ''
}

function post(url: string, body: object): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
}

/** The whole text of a body; calls `onFirst` when its first piece is here. */
async function readStream(response: Response, onFirst: () => void): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const piece of response.body ?? []) {
    if (text === '') onFirst()
    text += decoder.decode(piece, { stream: true })
  }
  return text
}
