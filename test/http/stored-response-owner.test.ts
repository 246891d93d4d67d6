import { afterAll, describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { clientKeys } from '../../src/http/client-keys.ts'
import { createResponseStore } from '../../src/store/responses.ts'
import { startGateway } from '../support/gateway.ts'
import { clientOf, plain, storeLimits, upstream } from './storing.ts'

describe('a stored response belongs to its caller', () => {
  const policy = {}
  // Today's two callers; here the Responses API takes the key of either.
  const keys = clientKeys({ openaiKey: 'sk-open', anthropicKey: 'sk-anth', policy }).map((key) => ({
    ...key,
    caller: { ...key.caller, scope: ['operator', 'openai', 'anthropic'] as const },
  }))
  const shared = startGateway([upstream], { access: { keys } })
  afterAll(() => shared.stop())

  const ask = async (key: string, method: string, path: string, body?: object) => {
    const response = await fetch(`${shared.url}/v1/responses${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return { status: response.status, body: await response.text() }
  }
  const store = async (key: string): Promise<{ id: string; itemId: string }> => {
    const { body } = await ask(key, 'POST', '', { ...plain, input: 'My secret' })
    const { id, output } = JSON.parse(body)
    return { id, itemId: output[0].id }
  }
  const continued = (id: string) => ({ ...plain, input: 'And?', previous_response_id: id })

  describe.each([
    ['sk-open', 'sk-anth'],
    ['sk-anth', 'sk-open'],
  ])('of %s, and is not there for %s', (owner, other) => {
    test.each<[string, string, (id: string) => string, ((id: string) => object) | undefined]>([
      ['read', 'GET', (id) => `/${id}`, undefined],
      ['list', 'GET', (id) => `/${id}/input_items`, undefined],
      ['cancel', 'POST', (id) => `/${id}/cancel`, undefined],
      ['continue', 'POST', () => '', continued],
      ['continue, as a stream', 'POST', () => '', (id) => ({ ...continued(id), stream: true })],
      ['count', 'POST', () => '/input_tokens', continued],
      ['delete', 'DELETE', (id) => `/${id}`, undefined],
    ])('to %s', async (_name, method, path, body) => {
      const { id } = await store(owner)
      const unknown = `resp_${'x'.repeat(24)}`
      const refused = await ask(other, method, path(id), body?.(id))
      const expected = await ask(other, method, path(unknown), body?.(unknown))
      expect(refused.status).toBeOneOf([400, 404])
      expect({ ...refused, body: refused.body.replace(id, unknown) }).toEqual(expected)
      expect((await ask(owner, 'GET', `/${id}`)).status).toBe(200)
    })

    test('to refer to an item of it', async () => {
      const { itemId } = await store(owner)
      const input = [
        { type: 'item_reference', id: itemId },
        { role: 'user', content: 'And?' },
      ]
      const reading = async (key: string) => {
        const { id } = JSON.parse((await ask(key, 'POST', '', { ...plain, input })).body)
        return JSON.parse((await ask(key, 'GET', `/${id}/input_items?order=asc`)).body).data[0]
      }
      expect(await reading(owner)).toMatchObject({ type: 'message', id: itemId })
      expect(await reading(other)).toMatchObject({ type: 'item_reference', id: itemId })
    })
  })

  test('as well as to ask for it with a key that does not open the API', async () => {
    const access = { openaiKey: 'sk-open', anthropicKey: 'sk-anth' }
    const locked = startGateway([upstream], { access })
    const headers = { authorization: 'Bearer sk-open', 'content-type': 'application/json' }
    const body = JSON.stringify({ ...plain, input: 'My secret' })
    const stored = await fetch(`${locked.url}/v1/responses`, { method: 'POST', headers, body })
    const { id }: { id: string } = JSON.parse(await stored.text())
    const statusOf = async (key: string, asked: string) =>
      (await fetch(`${locked.url}/v1/responses/${asked}`, { headers: { authorization: `Bearer ${key}` } })).status
    expect([await statusOf('sk-open', id), await statusOf('sk-anth', id), await statusOf('sk-anth', 'resp_x')]).toEqual(
      [200, 401, 401],
    )
    await locked.stop()
  })

  test('the operator’s own stays when a key is set, or exchanged', async () => {
    const store = createResponseStore({ ...storeLimits, warn() {} })
    const open = startGateway([upstream], { store })
    const { id } = await clientOf(open).responses.create({ ...plain, input: 'Mine' })
    await open.stop()
    for (const openaiKey of ['sk-one', 'sk-two']) {
      const locked = startGateway([upstream], { store, access: { openaiKey } })
      const client = new OpenAI({ baseURL: `${locked.url}/v1`, apiKey: openaiKey, maxRetries: 0 })
      expect((await client.responses.retrieve(id)).id).toBe(id)
      await locked.stop()
    }
  })
})
