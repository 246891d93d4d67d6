import { expect } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { modelTable } from '../../src/models/table.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { type GatewaySettings, startGateway } from '../support/gateway.ts'
import { keysInMemory } from '../support/keys-in-memory.ts'

const table = modelTable([
  { id: 'GLM-4.5', price: { input: 1, cached: 0.5, output: 2 }, max_output_tokens: 2_000, context_tokens: 20_000 },
])
export const operator = 'sk-operator'
export const messages = [{ role: 'user' as const, content: '[fast] Hello' }]
export const closing: (() => Promise<unknown>)[] = []

export async function closeAll() {
  for (const close of closing.splice(0).reverse()) await close()
}

export async function gatewayWithKeys(settings: GatewaySettings = { access: { openaiKey: operator } }, known = table) {
  const { served, database, warnings, close } = await keysInMemory({ table: known })
  const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0, table: known })
  const gateway = startGateway([upstream], { ...settings, keys: served })
  closing.push(async () => {
    await gateway.stop()
    await close()
    expect(warnings).toEqual([])
  })
  const send = async (path: string, body?: object, key = operator, method = body ? 'POST' : 'GET', more = {}) => {
    const response = await fetch(gateway.url + path, {
      ...{ method, ...more },
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: text === '' ? undefined : JSON.parse(text),
    }
  }
  const create = async (members: object) => {
    const { status, json } = await send('/admin/api/keys', members)
    expect(status).toBe(200)
    return json
  }
  const chat = (key: string, more: object = {}) =>
    send('/v1/chat/completions', { model: 'GLM-4.5', messages, ...more }, key)
  const budget = async (key: string) => (await send('/v1/key', undefined, key)).json.budgets[0]
  return { ...gateway, ...served, database, send, create, chat, budget }
}

/** Asks until it is so. */
export async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}
