import { afterAll, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { keyHouse } from '../keys/support.ts'
import { startGateway } from '../support/gateway.ts'

// Each test has a gateway of its own, because all of its requests come from one address.

const key = 'the-key-of-this-gateway'
const cleanups: (() => unknown)[] = []
afterAll(async () => {
  for (const clean of cleanups) await clean()
})

async function gatewayWithKeys() {
  const { close, ...house } = await keyHouse({ clock: systemClock })
  const { secret } = await house.keys.create({ name: 'ci' })
  const disabled = await house.keys.create({ name: 'off', disabled: true })
  await house.registry.refresh()
  const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const gateway = startGateway([upstream], { access: { openaiKey: key }, keys: { ...house, close } })
  cleanups.push(() => gateway.stop(), close)
  const ask = async (presented: string, path = '/v1/models', headers: Record<string, string> = {}) => {
    const isRead = ['/v1/models', '/v1/key', '/metrics'].includes(path)
    const response = await fetch(gateway.url + path, {
      method: isRead ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${presented}`, 'content-type': 'application/json', ...headers },
      ...(isRead ? {} : { body: JSON.stringify({ model: 'glm-4.6', messages: [] }) }),
    })
    return { status: response.status, retryAfter: response.headers.get('retry-after'), text: await response.text() }
  }
  return { ask, secret, disabled: disabled.secret }
}

const paths = ['/v1/models', '/v1/chat/completions', '/v1/messages', '/v1/responses', '/v1/completions', '/v1/key']

test('after five wrong keys others are refused without a look, on every route, and right ones never', async () => {
  const { ask, secret } = await gatewayWithKeys()
  for (let guess = 0; guess < 5; guess++) expect((await ask(`guess ${guess}`, paths[guess])).status).toBe(401)
  for (const path of paths) {
    const { status, retryAfter, text } = await ask(`one more for ${path}`, path)
    expect(status).toBe(429)
    expect(Number(retryAfter)).toBeWithin(1, 61)
    expect(text).toContain('The right key works at any time.')
  }
  for (const right of [key, secret]) expect((await ask(right)).status).toBe(200)
  expect((await ask('one more for the operator', '/metrics')).status).toBe(429)
  expect((await ask(key, '/metrics')).status).toBe(200)
})

test('headers that speak of a proxy give no tries of their own', async () => {
  const { ask } = await gatewayWithKeys()
  const ways: Record<string, string>[] = [
    { via: '1.1 a' },
    { 'x-forwarded-for': '203.0.113.5' },
    { forwarded: 'for=_x' },
    { 'x-real-ip': '1.2.3.4' },
  ]
  const statuses: number[] = []
  for (let guess = 0; guess < 8; guess++)
    statuses.push((await ask(`guess ${guess}`, '/v1/models', ways[guess % 4])).status)
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429])
})

test('made-up keys of the kind that the operator makes count, a disabled one and a stale one do not', async () => {
  const { ask, disabled } = await gatewayWithKeys()
  for (let times = 0; times < 8; times++) {
    expect((await ask(disabled)).status).toBe(401)
    expect((await ask('stale')).status).toBe(401)
  }
  const statuses: number[] = []
  for (let guess = 0; guess < 6; guess++) statuses.push((await ask(`z2a_${String(guess).repeat(43)}`)).status)
  expect(statuses).toEqual([401, 401, 401, 401, 429, 429])
  // A program with an old key is told that it is wrong, also when others from its address have guessed.
  expect((await ask('stale')).status).toBe(401)
})
