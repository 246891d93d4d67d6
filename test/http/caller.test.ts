import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { CallerPolicy } from '../../src/core/caller.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { clientKeys } from '../../src/http/client-keys.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'

const keys = { openaiKey: 'sk-open', anthropicKey: 'sk-anth' }
const messages = [{ role: 'user', content: 'Hello' }]
const chat = { model: 'GLM-4.5', messages }
const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }
const structured = { ...chat, response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } }

test.each<[string, typeof keys | undefined, string, object, string]>([
  ['chat', keys, '/v1/chat/completions', chat, 'master'],
  ['chat that is asked again for its schema', keys, '/v1/chat/completions', structured, 'master'],
  ['completions', keys, '/v1/completions', { model: 'GLM-4.5', prompt: 'Hello' }, 'master'],
  ['responses', keys, '/v1/responses', { model: 'GLM-4.5', input: 'Hello' }, 'master'],
  ['messages', keys, '/v1/messages', { model: 'GLM-4.5', max_tokens: 9, messages }, 'anthropic'],
  ['chat without any key', undefined, '/v1/chat/completions', chat, 'master'],
])('the upstream knows whose call it is: %s', async (_name, access, path, body, keyId) => {
  const scripted = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const callers: string[] = []
  const open: typeof scripted.open = (call) => {
    callers.push(call.caller)
    return scripted.open(call)
  }
  const gateway = startGateway([{ ...scripted, open }], access ? { access } : {})
  const key = path.endsWith('messages') ? 'sk-anth' : 'sk-open'
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const reply = await fetch(gateway.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  await reply.text()
  expect(new Set(callers)).toEqual(new Set([keyId]))
  expect(gateway.lines.join()).not.toContain(key)
  await gateway.stop()
})

test('a key for some models has those alone, whatever it asks for', async () => {
  const scripted = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const asked: string[] = []
  const upstream: Upstream = {
    ...scripted,
    // Judges names by itself, as the official API does.
    unlisted: (name) => ({
      id: name,
      upstreamId: name,
      createdAtSeconds: 0,
      vision: false,
      reasoning: 'never',
      search: false,
    }),
    open(call) {
      asked.push(call.model.id)
      return scripted.open(call)
    },
  }
  const policy: CallerPolicy = { models: ['glm-4.5*'] }
  const keys = clientKeys({ openaiKey: 'sk-ann', policy })
  const gateway = startGateway([upstream], { access: { keys } })
  const headers = { authorization: 'Bearer sk-ann', 'content-type': 'application/json' }
  const send = async (path: string, body?: object) => {
    const sent = body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers }
    const response = await fetch(gateway.url + path, sent)
    return { status: response.status, text: await response.text() }
  }
  const statusOf = async (model: string) => (await send('/v1/chat/completions', { ...chat, model })).status
  const everything = (await scripted.models()).map(({ id }) => id)
  const refused = everything.filter((id) => !id.startsWith('GLM-4.5'))
  expect(refused).not.toBeEmpty()
  for (const model of [...refused, 'GLM-9', 'demo/GLM-9', 'GLM-9-Thinking'])
    expect([model, await statusOf(model)]).toEqual([model, 404])
  expect(asked).toEqual([])
  for (const model of ['GLM-4.5', 'glm-4.5-air', 'GLM-4.5-Thinking', 'GLM-4.5-new', 'claude-sonnet-4-5'])
    expect([model, await statusOf(model)]).toEqual([model, 200])
  expect(asked.filter((id) => !id.toLowerCase().startsWith('glm-4.5'))).toEqual([])

  const listed: { data: { id: string }[] } = JSON.parse((await send('/v1/models')).text)
  expect(listed.data.filter(({ id }) => !id.startsWith('GLM-4.5'))).toEqual([])
  expect(listed.data).not.toBeEmpty()
  const [other = ''] = refused
  expect((await send(`/v1/models/${other}`)).status).toBe(404)
  const counted = await send('/v1/messages/count_tokens', { model: other, messages })
  expect(counted.status).toBe(404)
  for (const id of refused) expect(counted.text.replaceAll(`\`${other}\``, '')).not.toContain(id)
  await gateway.stop()
})
