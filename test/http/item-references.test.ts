import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { clientKeys } from '../../src/http/client-keys.ts'
import { databaseResponses } from '../../src/store/database-responses.ts'
import { createResponseStore, type ResponseStore, type ResponseStoreOptions } from '../../src/store/responses.ts'
import { apiUpstream } from '../support/api-upstream.ts'
import { gatewayApp } from '../support/gateway.ts'
import { answer, chatRoute, origin, scriptedApi } from '../support/zai-api.ts'

const keys = clientKeys({ openaiKey: 'sk-ann', anthropicKey: 'sk-bob', policy: {} }).map((key) => ({
  ...key,
  caller: { ...key.caller, scope: ['operator', 'openai', 'anthropic'] as const },
}))

const stores = {
  memory: (limits) => createResponseStore({ path: ':memory:', warn() {}, ...limits }),
  database: (limits) =>
    databaseResponses({ sql: openSqlite({ path: ':memory:', clock: systemClock, warn() {} }), ...limits }),
} satisfies Record<string, (limits: Limits) => ResponseStore>

type Limits = Pick<ResponseStoreOptions, 'maxBytes' | 'maxRows' | 'maxAgeMs' | 'now'>

function gatewayWith(store: ResponseStore) {
  const api = scriptedApi(['key-1'], () => answer('The secret is 4711.'))
  const app = gatewayApp([apiUpstream({ origin, key: 'key-1', fetch: api.fetch, idleMs: 60_000 })], {
    store,
    access: { keys },
  })
  const ask = async (key: string, input: unknown) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ model: 'glm-4.6', input })
    const response = await app.handle(new Request('http://localhost/v1/responses', { method: 'POST', headers, body }))
    return {
      status: response.status,
      ignored: response.headers.get('x-zai2api-ignored'),
      body: await response.json(),
      sent: JSON.stringify(Object(api.to(chatRoute).at(-1)?.body).messages),
    }
  }
  return { ask }
}

// Histories from other servers hold references that are not known here. A conversation goes on without what they stand
// for, and the client and the model learn that it is missing.
test.each(['memory', 'database'] as const)(
  'a reference to what another key has stored is one to nothing, and is named (%s)',
  async (kind) => {
    const store = stores[kind]({ maxBytes: 1_000_000, maxRows: 100, maxAgeMs: 3_600_000, now: systemClock.now })
    try {
      const { ask } = gatewayWith(store)
      const ann = await ask('sk-ann', [{ role: 'user', content: 'My word is swordfish.' }])
      const answered: string = ann.body.output.at(-1).id
      const asked = answered.replace(/_\d+$/, '_i0')
      for (const id of [answered, asked]) {
        const reference = [
          { type: 'item_reference', id },
          { role: 'user', content: 'And?' },
        ]
        const own = await ask('sk-ann', reference)
        expect([own.status, own.ignored]).toEqual([200, null])
        expect(own.sent).toMatch(/4711|swordfish/)
        const foreign = await ask('sk-bob', reference)
        expect([foreign.status, foreign.ignored]).toEqual([200, 'input.0 (item_reference)'])
        expect(foreign.sent).not.toMatch(/4711|swordfish/)
        expect(foreign.sent).toContain('is not stored on this server')
        const unknown = await ask('sk-bob', [{ type: 'item_reference', id: `msg_${'x'.repeat(24)}_0` }, reference[1]])
        expect([unknown.status, unknown.ignored, unknown.sent]).toEqual([200, foreign.ignored, foreign.sent])
      }
      const alone = await ask('sk-bob', [{ type: 'item_reference', id: answered }])
      expect([alone.ignored, alone.sent.includes('4711')]).toEqual(['input.0 (item_reference)', false])
    } finally {
      await store.close()
    }
  },
)
