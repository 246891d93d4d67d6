import { afterEach, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'

const running: { stop(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const thing of running.splice(0)) await thing.stop()
})

function gatewayOf(): RunningGateway {
  const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
  running.push(gateway)
  return gateway
}

function post(gateway: RunningGateway, path: string, body: object): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { method: 'POST', body: JSON.stringify(body) })
}

const long = 'k'.repeat(100_000)
const hi = [{ role: 'user', content: 'Hi' }]
const asked = { model: 'GLM-4.5', max_tokens: 9, messages: hi }

/** So many objects inside each other, the outermost under `key`. */
function nested(key: string, levels: number): object {
  return JSON.parse(`{${JSON.stringify(key)}:${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`)
}

describe('what a client calls something', () => {
  test.each<[string, string, object]>([
    ['its model', '/v1/messages', { ...asked, model: long.slice(0, 250) }],
    ['a field that is nested too deep', '/v1/messages', { ...asked, ...nested(long, 300) }],
    ['a path', `/v1/${long.slice(0, 9_000)}`, {}],
  ])('makes neither the error nor the log long: %s', async (_name, path, body) => {
    const gateway = gatewayOf()
    const reply = await (await post(gateway, path, body)).text()
    expect(reply).toContain('kkkk')
    expect(reply.length).toBeLessThan(1_000)
    expect(gateway.lines.join('')).toContain('kkkk')
    expect(gateway.lines.join('').length).toBeLessThan(1_500)
  })

  test('is refused where it is a model, as a name that no reply can repeat with each event', async () => {
    const reply = await post(gatewayOf(), '/v1/messages', { ...asked, model: long })
    expect((await reply.json()).error.message).toBe(`model: expected at most 256 characters, got ${long.length}`)
  })

  test('stands in quotes where it is no word', async () => {
    const reply = await post(gatewayOf(), '/v1/messages', { ...asked, ...nested(' ', 300) })
    expect((await reply.json()).error.message).toBe('" ".a.a: nested deeper than 256 levels')
  })
})

describe('what was asked and is not honoured', () => {
  const tools = (count: number, type: string) => Array.from({ length: count }, () => ({ type, name: 'x' }))

  test.each([
    ['many names', tools(500, 'computer_use'), /^tools\.0 \(computer_use\), tools\.1 .*, and \d+ more$/],
    ['a long one', tools(1, long), /^tools\.0 \(kkkk*\.{3}$/],
  ])('fits into a header that clients take: %s', async (_name, tools, expected) => {
    const gateway = gatewayOf()
    const reply = await post(gateway, '/v1/messages', { ...asked, tools })
    expect(reply.status).toBe(200)
    const header = reply.headers.get('x-zai2api-ignored') ?? ''
    expect(header).toMatch(expected)
    expect(header.length).toBeLessThan(1_100)
    expect(gateway.lines.join('').length).toBeLessThan(2_500)
  })
})
