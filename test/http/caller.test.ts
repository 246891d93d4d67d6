import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
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
