import { describe, expect, test } from 'bun:test'
import { Value } from '@sinclair/typebox/value'
import type { ServingProgram } from '../../src/admin/operator-context.ts'
import { DoctorStep } from '../../src/admin/schema/doctor.ts'
import { Licences } from '../../src/admin/schema/licences.ts'
import { Setups } from '../../src/admin/schema/setups.ts'
import { System } from '../../src/admin/schema/system.ts'
import { programOf } from '../../src/cli/admin-program.ts'
import { clientSetups } from '../../src/cli/clients/index.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { ListedModel } from '../../src/core/upstream.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { operatedGateway } from '../support/operated-gateway.ts'

const secrets = {
  AUTH_TOKEN: 'sk-of-the-clients-0123',
  ADMIN_TOKEN: 'sk-of-the-operator-0123',
  ZAI_API_KEY: 'key-1,key-2',
}
const env = {
  ...secrets,
  UPSTREAMS: 'demo',
  LOG_LEVEL: 'off',
  METRICS: 'false',
  DATABASE_URL: 'postgres://a:hidden@db/z',
}
const loaded = loadConfig(new Map(), { env, cwd: '/nowhere', readFile: () => undefined }, upstreamKinds)
const io = {
  ...{ env: { STATE_DIRECTORY: '/var/lib/zai2api' }, cwd: '/nowhere', version: 'test' },
  ...{ stdout() {}, stderr() {} },
}
const models = {
  models: async () => [{ id: 'GLM-4.5', displayName: 'GLM-4.5' } as ListedModel],
  model: async () => {
    throw new Error('none')
  },
}
const program = () => programOf(models, () => loaded, io as unknown as Parameters<typeof programOf>[2])

describe('the system', () => {
  const system = program().system('http://127.0.0.1:8080')

  test('has every setting with its source, and no secret', () => {
    const whole = { ...system, version: 'test', started_at: 1, uptime_ms: 1 }
    expect([...Value.Errors(System, whole)]).toEqual([])
    const row = (name: string) => system.config.find((each) => each.name === name)
    expect(row('UPSTREAMS')).toMatchObject({ value: 'demo', source: 'environment variable UPSTREAMS', secret: false })
    expect(row('LISTEN_PORT')).toMatchObject({ value: '8080', default: '8080', source: 'default' })
    expect(row('ADMIN_TOKEN')?.value).toMatch(/^[0-9a-f]{4}…[0-9a-f]{4}$/)
    expect(row('ZAI_API_KEY')?.value).toMatch(/^[0-9a-f]{4}…[0-9a-f]{4},[0-9a-f]{4}…[0-9a-f]{4}$/)
    expect(row('ZAI_TOKEN')).not.toHaveProperty('value')
    for (const secret of [...Object.values(secrets), 'key-1', 'hidden'])
      expect(JSON.stringify(system)).not.toContain(secret)
  })
})

test('the packages in the program come with their licences and the texts of them', async () => {
  const packages = await program().licences()
  expect([...Value.Errors(Licences, { packages })]).toEqual([])
  expect(Value.Clean(Licences, structuredClone({ packages }))).toEqual({ packages })
  expect(packages.find(({ name }) => name === 'elysia')).toMatchObject({
    licence: 'MIT',
    text: expect.stringContaining('Permission is hereby granted'),
  })
  expect(packages.map(({ name }) => name)).not.toContain('typescript')
  expect(packages.filter(({ licence }) => licence === 'not named')).toEqual([])
  expect(packages.filter(({ name }) => name === 'bun')).toHaveLength(1)
})

test('clients are set up by the recipes of zai2api env, with no key of anybody', async () => {
  const setups = await program().setups('https://gw.example')
  expect(setups.map(({ client }) => client)).toEqual([...Object.keys(clientSetups), 'curl'])
  expect(setups.flatMap(({ command = [] }) => command)).toEqual([
    'zai2api claude',
    'zai2api codex',
    'zai2api gemini',
    'zai2api opencode',
    ...['zai2api qwen', 'zai2api pi', 'zai2api cline', 'zai2api aider', 'zai2api goose', 'zai2api crush'],
  ])
  for (const { text } of setups) {
    expect(text).toContain('https://gw.example')
    expect(text).not.toContain('sk-of-the-clients')
  }
  expect(setups[0]?.text).toContain("export ANTHROPIC_AUTH_TOKEN='your-key'")
})

test.each([
  ['http://127.0.0.1:8080', './dist/zai2api'],
  ['http://127.0.0.1:9000', './dist/zai2api --port 9000'],
  ['https://gw.example', './dist/zai2api'],
])('commands for the gateway at %s reach it, called as the user calls this program', async (url, command) => {
  const self = { ...io, self: './dist/zai2api' } as unknown as Parameters<typeof programOf>[2]
  const serving = programOf(models, () => loaded, self)
  expect((await serving.setups(url))[0]?.command).toBe(`${command} claude`)
  expect(serving.system(url).command).toBe(command)
})

async function gatewayWith(parts: Partial<ServingProgram>) {
  return operatedGateway(
    {},
    {
      setups: async () => [],
      system: (url) => program().system(url),
      licences: async () => [],
      async *doctor() {},
      ...parts,
    },
  )
}

test('the page is given both, each for the address that it was asked at', async () => {
  const { ask, close } = await gatewayWith({ setups: program().setups })
  const setups: unknown = await (await ask('GET', '/admin/api/setups')).json()
  expect([...Value.Errors(Setups, setups)]).toEqual([])
  expect(Value.Cast(Setups, setups).setups[3]?.text).toContain('http://localhost:8080/v1')
  const system: unknown = await (await ask('GET', '/admin/api/system')).json()
  expect([...Value.Errors(System, system)]).toEqual([])
  await close()
})

test('recipes that cannot be made are none', async () => {
  const { ask, close } = await gatewayWith({ setups: () => Promise.reject(new Error('no models')) })
  expect(await (await ask('GET', '/admin/api/setups')).json()).toEqual({ setups: [] })
  await close()
})

describe('doctor', () => {
  const step = (n: number): DoctorStep => ({ n, of: 3, name: `step ${n}`, state: 'ok', text: 'fine', ms: 1 })

  test('is told step by step, as each ends', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const { ask, close } = await gatewayWith({
      async *doctor() {
        yield step(1)
        for (const [index, gate] of gates.entries()) {
          await gate.promise
          yield step(index + 2)
        }
      },
    })
    const response = await ask('POST', '/admin/api/doctor')
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const reader = (response.body ?? new ReadableStream()).getReader()
    const next = async () => new TextDecoder().decode((await reader.read()).value)
    expect(await next()).toBe(`event: step\ndata: ${JSON.stringify(step(1))}\n\n`)
    gates[0]?.resolve()
    expect(await next()).toContain('step 2')
    gates[1]?.resolve()
    expect([await next(), await next(), await next()]).toEqual([
      expect.stringContaining('step 3'),
      'event: done\ndata: {}\n\n',
      '',
    ])
    await close()
  })

  test('gives signs of life while a check takes long', async () => {
    const gate = Promise.withResolvers<void>()
    const { ask, close } = await gatewayWith({
      async *doctor() {
        await gate.promise
        yield step(1)
      },
    })
    const reader = ((await ask('POST', '/admin/api/doctor')).body ?? new ReadableStream()).getReader()
    const next = async () => new TextDecoder().decode((await reader.read()).value)
    expect(await next()).toBe(':\n\n')
    gate.resolve()
    let said = await next()
    while (said === ':\n\n') said = await next()
    expect(said).toContain('step 1')
    await reader.cancel()
    await close()
  })

  test('stops when the page leaves', async () => {
    let stopped: AbortSignal | undefined
    const { ask, close } = await gatewayWith({
      async *doctor(signal) {
        stopped = signal
        yield step(1)
        yield step(2)
        yield step(3)
      },
    })
    const { body } = await ask('POST', '/admin/api/doctor')
    await body?.cancel()
    expect(stopped?.aborted).toBe(true)
    await close()
  })

  test('does the checks of the command', async () => {
    const steps: DoctorStep[] = []
    for await (const each of program().doctor(new AbortController().signal)) steps.push(each)
    for (const each of steps) expect([...Value.Errors(DoctorStep, each)]).toEqual([])
    expect(steps.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['configuration', 'access', 'proxy', 'port', 'demo', 'POST /v1/messages']),
    )
    expect(steps.map(({ n }) => n)).toEqual(steps.map((_, index) => index + 1))
  }, 20_000)
})
