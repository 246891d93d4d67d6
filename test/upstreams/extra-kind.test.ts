import { afterEach, describe, expect, test } from 'bun:test'
import { Type } from '@sinclair/typebox'
import { systemClock } from '../../src/async/system-clock.ts'
import { doctor } from '../../src/cli/commands/doctor/index.ts'
import { quota } from '../../src/cli/commands/quota.ts'
import { readyLine } from '../../src/cli/greeting.ts'
import { originOf, promptRecipients } from '../../src/cli/recipients.ts'
import { sendingTo, trustProblem } from '../../src/cli/trust.ts'
import { compose } from '../../src/compose.ts'
import { loadConfig } from '../../src/config/load.ts'
import { configWarnings } from '../../src/config/policy.ts'
import { secretsIn } from '../../src/config/secrets.ts'
import { addressOf, credentialOf, settingList } from '../../src/config/table.ts'
import { builtInUpstreams, rowFields, rowSchema } from '../../src/config/upstream-rows.ts'
import { GatewayError } from '../../src/core/errors.ts'
import { fail, pass } from '../../src/core/finding.ts'
import type { Model } from '../../src/core/upstream.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { defineUpstream, type UpstreamDeps } from '../../src/upstreams/upstream-kind.ts'
import { kindsWithRows } from '../support/kinds-with-rows.ts'
import { replyOf } from '../support/replies.ts'

// A whole kind of upstream in one value: what the rest of the program knows of it can only be from here.

interface ParrotSettings {
  id: string
  base: string
  keys: readonly string[]
}

const parrot: Model = {
  id: 'parrot-1',
  upstreamId: 'p1',
  createdAtSeconds: 1,
  vision: false,
  reasoning: 'never',
  search: false,
}

const fifth = defineUpstream({
  id: 'parrot',
  rows: {
    schema: rowSchema('parrot', {
      base: Type.String({ pattern: '^https?://', description: 'an http(s) URL' }),
      keys: Type.Optional(rowFields.keys),
    }),
    settings: ({ id, base, keys = [] }): ParrotSettings => ({ id, base, keys }),
  },
  baseUrl: ({ base }) => base,
  startLimit: 3,
  create({ id, keys }, { pool }: UpstreamDeps<string>) {
    pool.setMembers(keys.map((key, rank) => ({ id: `key ${rank + 1}`, secret: key, rank, create: () => key })))
    return {
      id,
      models: async () => [parrot],
      preferred: { primary: ['parrot-1'], small: ['parrot-1'] },
      ignored: () => [],
      check: async () => {},
      gauges: () => ({ limit: pool.snapshot().credentials.reduce((sum, { limit }) => sum + limit, 0) }),
      async open({ model, caller, signal, annotate }) {
        const noneAccepts = () => new GatewayError('upstream-auth', 'It has no key.')
        const ticket = pool.ticket({ model: model.id, caller, accepts: () => true, signal, noneAccepts, annotate })
        const lease = await ticket.lease()
        lease.release()
        return replyOf([
          [
            { type: 'text', text: `Said with ${lease.credential}` },
            { type: 'finish', reason: 'stop' },
          ],
        ])
      },
    }
  },
  doctor: async ({ id, keys }) =>
    keys.length === 0
      ? { findings: [fail(id, 'it has no key', 'Give it one.')], usable: false }
      : { findings: [pass(id, `it has ${keys.length} keys`)], usable: true },
  quota: {
    setting: 'PARROT_KEY',
    readers: ({ keys }) => keys.map((key) => async () => ({ plan: `crackers of ${key}`, limits: [] })),
  },
  startNote: ({ id }) => `${id} repeats everything.`,
})
const kinds = [...upstreamKinds, fifth]

const row = (more = 'keys = ["seed-one", "seed-two"]') =>
  `[[upstreams]]\nid = "polly"\nkind = "parrot"\nbase = "http://127.0.0.1:9/talk"\n${more}\n`

function surroundings(files: Record<string, string>, env: Record<string, string> = {}) {
  const said = { stdout: '', stderr: '' }
  const io = {
    env: { HOME: '/home/me', ...env },
    cwd: '/srv',
    readFile: (path: string) => files[path],
    stdout(text: string) {
      said.stdout += text
    },
    stderr(text: string) {
      said.stderr += text
    },
    version: '1.2.3',
  }
  return { io, said }
}

function load(toml: string, env: Record<string, string> = {}) {
  return loadConfig(new Map(), surroundings({ '/srv/zai2api.toml': toml }, env).io, kinds)
}

const stops: (() => Promise<void>)[] = []
afterEach(() => Promise.all(stops.splice(0).map((stop) => stop())))

async function composed(toml: string) {
  const { config } = load(toml)
  const quiet = { ...config, logLevel: 'off' as const, metrics: false }
  const { app, gateway, apply, close } = await compose(quiet, '1.2.3', { write() {} }, { kinds })
  stops.push(close)
  const chat = async () => {
    const body = JSON.stringify({ model: 'parrot-1', messages: [{ role: 'user', content: 'Hi' }] })
    const response = await app.handle(new Request('http://localhost/v1/chat/completions', { method: 'POST', body }))
    return [
      response.status,
      response.headers.get('x-zai2api-upstream'),
      (await response.json()).choices?.[0].message.content,
    ]
  }
  return { gateway, apply, chat }
}

describe('[[upstreams]]', () => {
  test('takes a row of the kind', () => {
    const { config } = load(row())
    expect(config.upstreams).toMatchObject([
      {
        id: 'polly',
        row: { id: 'polly', kind: 'parrot', base: 'http://127.0.0.1:9/talk', keys: ['seed-one', 'seed-two'] },
      },
    ])
    expect(secretsIn(config)).toEqual(expect.arrayContaining(['seed-one', 'seed-two']))
  })

  test.each([
    [
      'names a field that is not its own',
      row('cage = "big"'),
      'upstreams[0].cage is not known; allowed: id, kind, base, keys',
    ],
    [
      'names a wrong value',
      row('base = 1').replace(/base = "[^"]*"\n/, ''),
      'upstreams[0].base must be an http(s) URL',
    ],
    [
      'names it among the kinds',
      row().replace('"parrot"', '"crow"'),
      `upstreams[0].kind must be ${kindsWithRows(kinds)}`,
    ],
  ])('%s', (_name, toml, message) => expect(() => load(toml)).toThrow(message))

  test('does not know the kind where nobody passed it', () => {
    const { io } = surroundings({ '/srv/zai2api.toml': row() })
    expect(() => loadConfig(new Map(), io, upstreamKinds)).toThrow(`kind must be ${kindsWithRows(upstreamKinds)}`)
  })
})

describe('compose', () => {
  test('answers through it', async () => {
    const { chat, gateway } = await composed(row())
    expect(await chat()).toEqual([200, 'polly', 'Said with seed-one'])
    expect(gateway.gauges()).toMatchObject({ polly: { limit: 6 } })
  })

  test('gives it the settings of a changed configuration, and keeps its pool', async () => {
    const { chat, apply, gateway } = await composed(row())
    apply(load(row('keys = ["seed-two", "seed-three", "seed-four"]')).config)
    expect(await chat()).toEqual([200, 'polly', 'Said with seed-two'])
    expect(gateway.gauges()).toMatchObject({ polly: { limit: 9 } })
  })
})

describe('doctor', () => {
  const findings = async (toml: string, isReachable = true) => {
    const { io, said } = surroundings({ '/srv/zai2api.toml': toml })
    const edge = {
      fetch: async () => {
        if (!isReachable) throw Object.assign(new Error('refused'), { code: 'ConnectionRefused' })
        return new Response('')
      },
      clock: systemClock,
      lookup: async () => [],
      tryPort: async () => 'free',
      proxyFiles: () => [],
      proves: async () => false,
    }
    await doctor(() => loadConfig(new Map(), io, kinds), io, { json: true, offline: false }, edge, kinds)
    const found: { status: string; check: string; says: string }[] = JSON.parse(said.stdout)
    return found.map(({ status, check }) => `${status} ${check}`)
  }

  test('asks it once its origin is reached, and then sends a request through it', async () => {
    const found = await findings(row())
    expect(found).toContain('pass connect 127.0.0.1:9')
    expect(found).toContain('pass polly')
    expect(found).toContain('pass POST /v1/chat/completions')
  })

  test('says what it says', async () => expect(await findings(row(''))).toContain('fail polly'))

  test('does not ask it at an origin that does not answer', async () => {
    const found = await findings(row(), false)
    expect(found).toContain('fail connect 127.0.0.1:9')
    expect(found.filter((one) => one.endsWith('polly'))).toEqual([])
  })
})

describe('destinations and trust', () => {
  test('know where it sends prompts', () => {
    const { config } = load(row())
    expect(promptRecipients(config)).toEqual(['polly at http://127.0.0.1:9'])
  })

  test('refuse it to a folder, if the user has an account of their own', () => {
    const { io } = surroundings(
      { '/srv/.env': `UPSTREAMS='${JSON.stringify([{ id: 'polly', kind: 'parrot', base: 'https://cage.example' }])}'` },
      { ZAI_API_KEY: 'id.secret' },
    )
    const loaded = loadConfig(new Map(), io, kinds)
    expect(trustProblem(loaded, io, sendingTo(loaded.config, [], 'passed on'))?.problem).toContain(
      'UPSTREAMS in /srv/.env would send prompts to polly at https://cage.example',
    )
  })

  test('warn where its address has no TLS', () => {
    const loaded = load(row().replace('127.0.0.1', 'cage.example'))
    expect(configWarnings(loaded).map(({ message }) => message)).toContainEqual(
      expect.stringContaining('base of polly in [[upstreams]] is plain http to cage.example'),
    )
  })
})

test('quota shows its keys', async () => {
  const { io, said } = surroundings({})
  const { config } = load(row())
  expect(await quota(config, io, { json: false }, { fetch, clock: systemClock }, kinds)).toBe(0)
  expect(said.stdout).toBe('Key 1 of polly: plan crackers of seed-one\n\nKey 2 of polly: plan crackers of seed-two\n')
  expect(await quota(load(row('')).config, io, { json: false }, { fetch, clock: systemClock }, kinds)).toBe(1)
  expect(said.stderr).toContain('set ZAI_API_KEY or PARROT_KEY')
})

test('the line at the start has its note', () => {
  const { io } = surroundings({})
  expect(readyLine({ url: 'http://localhost:1', config: load(row()).config, io }, kinds)).toEndWith(
    '\npolly repeats everything.\n',
  )
})

describe('the configuration and the kinds agree', () => {
  const { config } = load('')

  test.each(builtInUpstreams)('%s can be configured by its settings alone', (id) => {
    expect(() => originOf({ id }, config)).not.toThrow()
  })

  test('every other kind has rows', () => {
    const named: readonly string[] = builtInUpstreams
    expect(upstreamKinds.filter(({ id, row }) => row === undefined && !named.includes(id))).toEqual([])
  })

  test('every upstream that a setting belongs to is one of the kinds', () => {
    const elsewhere = ['gateway', 'collector', 'prompts', 'conversations']
    const owners = settingList.flatMap((setting) => [credentialOf(setting), addressOf(setting)])
    const known = [...elsewhere, ...upstreamKinds.map(({ id }) => id)]
    expect(owners.filter((owner) => owner !== undefined && !known.includes(owner))).toEqual([])
  })
})
