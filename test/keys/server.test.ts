import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../support/eventually.ts'

// The real program, with its command line beside it.

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

function folderFor(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-served-'))
  closing.push(() => rmSync(folder, { recursive: true }))
  return folder
}

const operator = 'sk-operator-of-this-test'

async function serve(folder: string) {
  const log = join(folder, 'log')
  const child = Bun.spawn([process.execPath, 'src/main.ts', '--upstreams', 'demo', '--port', '0'], {
    env: environment(folder),
    stdout: 'pipe',
    stderr: Bun.file(log),
  })
  closing.push(async () => {
    child.kill('SIGKILL')
    await child.exited
  })
  const url = /http:\/\/[\d.]+:\d+/.exec(await firstLine(child.stdout))?.[0]
  if (url === undefined) throw new Error(readFileSync(log, 'utf8'))
  const send = async (path: string, key: string, body?: object) => {
    const headers = { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) }
    const response = await fetch(url + path, {
      headers,
      ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
    })
    return { status: response.status, text: await response.text() }
  }
  const chat = (key: string, content = '[fast] Hello') =>
    send('/v1/chat/completions', key, { model: 'GLM-4.6', messages: [{ role: 'user', content }] })
  const budget = async (key: string) => JSON.parse((await send('/v1/key', key)).text).budgets[0]
  return { child, url, log: () => readFileSync(log, 'utf8'), send, chat, budget }
}

function environment(folder: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    AUTH_TOKEN: operator,
    XDG_STATE_HOME: join(folder, 'state'),
    LOG_LEVEL: 'debug',
  }
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const piece of stream) {
    text += decoder.decode(piece, { stream: true })
    if (text.includes('\n')) break
  }
  return text
}

/** `zai2api key …` in a process of its own. */
async function cli(folder: string, ...args: string[]) {
  const child = Bun.spawn([process.execPath, 'src/main.ts', 'key', ...args, '--json'], {
    env: environment(folder),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [text, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  expect([await child.exited, stderr]).toEqual([0, ''])
  return JSON.parse(text)
}

/** Less than the 30 s after which a server reads all keys anyway. */
const limitMs = 20_000

async function becomes(condition: () => Promise<boolean>): Promise<void> {
  await eventually(async () => expect(await condition()).toBe(true), limitMs)
}

test('a running server sees, without reading all keys anew, what the command line changes', async () => {
  const folder = folderFor()
  const server = await serve(folder)
  const { secret } = await cli(folder, 'create', '--name', 'ci', '--rpm', '5000')
  const statusOf = async (key: string) => (await server.send('/v1/models', key)).status
  await becomes(async () => (await statusOf(secret)) === 200)
  await cli(folder, 'disable', 'ci')
  await becomes(async () => (await statusOf(secret)) === 401)
  await cli(folder, 'enable', 'ci')
  await becomes(async () => (await statusOf(secret)) === 200)
  const rotated = await cli(folder, 'rotate', 'ci')
  await becomes(async () => (await statusOf(secret)) === 401)
  expect(await statusOf(rotated.secret)).toBe(200)
  await cli(folder, 'limit', 'ci', '--models', 'glm-4.6')
  await becomes(async () => !(await server.send('/v1/models', rotated.secret)).text.includes('GLM-4.5'))
  await cli(folder, 'delete', 'ci')
  await becomes(async () => (await statusOf(rotated.secret)) === 401)
}, 180_000)

test('what a killed server has reserved is settled by its estimate', async () => {
  const folder = folderFor()
  const first = await serve(folder)
  const { secret } = await cli(folder, 'create', '--name', 'ci', '--budget', 'tokens:300000/day')
  await becomes(async () => (await first.chat(secret)).status === 200)
  const { spent } = await first.budget(secret)
  expect(spent).toBeGreaterThan(10)
  void first.chat(secret, '[fast] [stall]').catch(() => {})
  await becomes(async () => (await first.budget(secret)).reserved > 0)
  const { reserved } = await first.budget(secret)
  first.child.kill('SIGKILL')
  await first.child.exited

  // Nobody knows yet that it is gone; its reservation has two minutes.
  const [left] = (await cli(folder, 'show', 'ci')).budgets
  expect(left).toMatchObject({ spent, reserved })
  await expireReservations(folder)
  const second = await serve(folder)
  const after = await second.budget(secret)
  expect(after.reserved).toBe(0)
  expect(after.spent).toBeGreaterThan(spent + 4_000)
  expect(after.spent).toBeLessThan(spent + 5_000)
}, 180_000)

/** Two minutes go by. */
async function expireReservations(folder: string): Promise<void> {
  const { Database } = await import('bun:sqlite')
  const database = new Database(join(folder, 'state/zai2api/zai2api.sqlite'))
  database.run('UPDATE reservations SET expires = 1')
  database.close()
}

test('no secret is in a line of the log, in an error or in a file', async () => {
  const folder = folderFor()
  const server = await serve(folder)
  const { secret, id } = await cli(folder, 'create', '--name', 'ci', '--budget', 'tokens:300000/day')
  await becomes(async () => (await server.chat(secret)).status === 200)
  const rotated = JSON.parse((await server.send(`/admin/api/keys/${id}/rotate`, operator, {})).text)
  const answers = [
    await server.chat(secret),
    await server.chat(rotated.secret),
    await server.send('/v1/chat/completions', rotated.secret, {
      model: rotated.secret,
      messages: [{ role: 'user', content: 'Hello' }],
    }),
    await server.send(`/v1/responses/${rotated.secret}`, rotated.secret),
    await server.send(`/admin/api/keys/${rotated.secret}`, operator),
    await server.send('/admin/api/keys', operator, { name: 'x', models: [rotated.secret, 5] }),
    await server.send(`/v1/${rotated.secret}`, rotated.secret),
  ]
  expect(answers.map(({ status }) => status)).toEqual([401, 200, 404, 404, 404, 400, 404])
  server.child.kill('SIGTERM')
  expect(await server.child.exited).toBe(0)
  const log = server.log()
  expect(log).toContain('caller=ci')
  expect(log).toContain(`key rotated key=${id} name=ci`)
  const files = readdirSync(join(folder, 'state/zai2api')).map((name) =>
    readFileSync(join(folder, 'state/zai2api', name), 'latin1'),
  )
  expect(files.join('')).toContain(rotated.prefix)
  for (const { secret: one } of [{ secret }, rotated])
    for (const text of [log, ...answers.map(({ text }) => text), ...files]) expect(text).not.toContain(one.slice(11))
}, 180_000)
