import { describe, expect, test } from 'bun:test'
import { budgetOf, type ClusterNode, newKey, operatorKey, send } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { nginxMissing } from '../support/nginx.ts'
import { noPostgres } from '../support/postgres.ts'
import { useCluster } from '../support/use-cluster.ts'

// What clients do on one gateway with replies that another one writes in the background.

const missing = noPostgres ?? nginxMissing

describe.skipIf(missing !== '')(`replies of another gateway${missing === '' ? '' : `: ${missing}`}`, () => {
  const used = useCluster(2)

  const node = (index: number) => used.cluster.nodes[index] as ClusterNode

  const begin = async (index: number, key: string, input = '[slow] [long:2000] Hello', more: object = {}) => {
    const begun = await send(node(index).url, '/v1/responses', key, {
      ...{ model: 'GLM-4.6', input, background: true },
      ...more,
    })
    expect(begun.json()).toMatchObject({ status: 'queued' })
    return `${begun.json().id}`
  }
  const read = (index: number, id: string, key = operatorKey) => send(node(index).url, `/v1/responses/${id}`, key)
  const post = async (index: number, path: string, key = operatorKey, method = 'POST') => {
    const response = await fetch(`${node(index).url}/v1/responses/${path}`, {
      ...{ method, headers: { authorization: `Bearer ${key}` } },
    })
    return { status: response.status, body: await response.json() }
  }
  const numbersIn = (text: string) => [...text.matchAll(/"sequence_number":(\d+)/g)].map(([, number]) => Number(number))
  /** Resolves when a reply has begun to be written. */
  const hasText = async (index: number, id: string, key = operatorKey) => {
    const stream = await fetch(`${node(index).url}/v1/responses/${id}?stream=true`, {
      headers: { authorization: `Bearer ${key}` },
    })
    let text = ''
    for await (const bytes of stream.body ?? []) {
      text += new TextDecoder().decode(bytes)
      if (text.includes('response.output_text.delta')) return
    }
  }
  /** The requests that the operator's page shows as under way. */
  const running = async (index: number) =>
    (await send(node(index).url, '/admin/api/now', operatorKey)).json().running.length as number

  test('end when they are cancelled, within a second, are settled once, and cannot be cancelled by others', async () => {
    const key = await newKey(used.cluster, 'cancels', { budget: 'tokens:1000000/day' })
    const id = await begin(0, key)
    await hasText(0, id, key)
    expect((await post(1, `${id}/cancel`)).status).toBe(404)
    const since = performance.now()
    const { status, body } = await post(1, `${id}/cancel`, key)
    expect({ status, body }).toMatchObject({ status: 200, body: { id, status: 'cancelled' } })
    expect(performance.now() - since).toBeLessThan(1_000)
    for (const index of [0, 1]) expect((await read(index, id, key)).json()).toMatchObject({ id, status: 'cancelled' })
    await eventually(async () => expect(await budgetOf(node(1).url, key)).toMatchObject({ reserved: 0 }))
    const { spent } = await budgetOf(node(1).url, key)
    // What it was cut off at: the whole of it has 2,000 words.
    expect(spent).toBeWithin(1, 1_000)
    await using sql = new Bun.SQL(used.database)
    await eventually(async () => {
      const rows: { tokens: string }[] = await sql`SELECT tokens_in + tokens_out AS tokens FROM requests
        WHERE key = (SELECT id FROM keys WHERE name = 'cancels')`
      expect(rows.map(({ tokens }) => Number(tokens))).toEqual([spent])
    })
    expect((await post(1, `${id}/cancel`, key)).body).toMatchObject({ status: 'cancelled' })
    expect((await read(1, id, key)).json()).toMatchObject({ status: 'cancelled' })
  }, 60_000)

  test('end when they are cancelled, also where the message of it is lost', async () => {
    const id = await begin(0, operatorKey)
    await using sql = new Bun.SQL(used.database)
    await sql`UPDATE background_replies SET cancelled = 1 WHERE id = ${id}`
    await eventually(async () => expect((await read(1, id)).json().status).toBe('cancelled'), 2_000)
  }, 60_000)

  test('that were complete stay as they were when they are cancelled', async () => {
    const id = await begin(0, operatorKey, '[fast] Hello')
    await eventually(async () => expect((await read(1, id)).json().status).toBe('completed'))
    expect(await post(1, `${id}/cancel`)).toMatchObject({ status: 200, body: { id, status: 'completed' } })
  }, 60_000)

  test('are streamed on any gateway, from any event on, while they are written and after that', async () => {
    const id = await begin(0, operatorKey, '[long:60] Hello')
    const [there, here] = await Promise.all([0, 1].map((index) => read(index, `${id}?stream=true`)))
    expect(here).toMatchObject({ status: 200, text: there?.text })
    expect(numbersIn(here?.text ?? '')).toEqual([...numbersIn(here?.text ?? '').keys()])
    expect(here?.text).toContain('response.completed')
    const last = numbersIn(here?.text ?? '').at(-1) ?? 0
    const rest = await read(1, `${id}?stream=true&starting_after=${last - 3}`)
    expect(numbersIn(rest.text)).toEqual([last - 2, last - 1, last])
    const other = await newKey(used.cluster, 'other')
    expect((await read(1, `${id}?stream=true`, other)).status).toBe(404)
  }, 60_000)

  test('store none of their events where nobody reads them elsewhere, and none for long where somebody has', async () => {
    await using sql = new Bun.SQL(used.database)
    await eventually(async () => expect(await sql`SELECT n FROM background_events`).toEqual([]), 30_000)
    const id = await begin(0, operatorKey, '[long:60] Hello')
    await read(0, `${id}?stream=true`)
    expect(await sql`SELECT n FROM background_events`).toEqual([])
  }, 60_000)

  test('are streamed to their end where they are cancelled', async () => {
    const id = await begin(0, operatorKey)
    const streamed = read(1, `${id}?stream=true`)
    await hasText(1, id)
    await post(1, `${id}/cancel`)
    expect((await streamed).text).toContain('response.output_text.delta')
  }, 60_000)

  test('whose events are nowhere any more are said to be so', async () => {
    const id = await begin(0, operatorKey)
    await eventually(async () => expect((await read(1, id)).status).toBe(200))
    node(0).child.kill('SIGKILL')
    await used.cluster.restart(0)
    const refused = await read(1, `${id}?stream=true`)
    expect(refused.status).toBe(409)
    expect(refused.json()).toMatchObject({
      error: { param: 'stream', message: expect.stringContaining('Poll it without `stream`') },
    })
    await post(1, `${id}/cancel`)
    expect((await read(1, `${id}?stream=true`)).status).toBe(400)
  }, 60_000)

  test('end when they are deleted, and are gone on every gateway', async () => {
    const [under, over] = [await begin(0, operatorKey), await begin(0, operatorKey, '[fast] Hello')]
    await eventually(async () => expect((await read(1, over)).json().status).toBe('completed'))
    for (const id of [under, over]) {
      expect(await post(1, id, operatorKey, 'DELETE')).toMatchObject({ status: 200, body: { deleted: true } })
      await eventually(async () => {
        for (const index of [0, 1]) expect((await read(index, id)).status).toBe(404)
      }, 2_000)
    }
    await eventually(async () => expect(await running(0)).toBe(0))
    await using sql = new Bun.SQL(used.database)
    expect(await sql`SELECT id FROM replies WHERE id IN ${sql([under, over])}`).toEqual([])
  }, 60_000)

  test('stay deleted where the gateway that writes them has not heard of it', async () => {
    const id = await begin(0, operatorKey, '[long:40] Hello')
    await hasText(0, id)
    await using sql = new Bun.SQL(used.database)
    // What a deletion on another gateway does, without the message.
    await sql`DELETE FROM background_replies WHERE id = ${id}`
    await sql`DELETE FROM replies WHERE id = ${id}`
    await eventually(async () => expect((await read(0, id)).status).toBe(404))
    expect((await read(1, id)).status).toBe(404)
    expect(await sql`SELECT id FROM replies WHERE id = ${id}`).toEqual([])
  }, 60_000)

  test('whose gateway was killed have failed once they are cancelled, and so they stay', async () => {
    const id = await begin(0, operatorKey)
    await eventually(async () => expect((await read(1, id)).status).toBe(200))
    node(0).child.kill('SIGKILL')
    await used.cluster.restart(0)
    const { status, body } = await post(1, `${id}/cancel`)
    expect({ status, body }).toMatchObject({ status: 200, body: { status: 'failed', error: { code: 'server_error' } } })
    expect((await read(0, id)).json()).toMatchObject({ status: 'failed' })
  }, 60_000)

  test('whose gateway was killed have failed once that is known', async () => {
    const id = await begin(0, operatorKey)
    await eventually(async () => expect((await read(1, id)).status).toBe(200))
    node(0).child.kill('SIGKILL')
    await used.cluster.restart(0)
    await using sql = new Bun.SQL(used.database)
    // As if 15 s had passed.
    await sql`UPDATE gateways SET expires = 0 WHERE node = (SELECT node FROM background_replies WHERE id = ${id})`
    await eventually(async () => expect((await read(1, id)).json()).toMatchObject({ status: 'failed' }), 20_000)
    expect(
      (
        await send(node(1).url, '/v1/responses', operatorKey, {
          model: 'GLM-4.6',
          input: 'And?',
          previous_response_id: id,
        })
      ).status,
    ).toBe(200)
  }, 60_000)

  test('whose gateway was stopped meanwhile do not come back', async () => {
    const id = await begin(0, operatorKey)
    await eventually(async () => expect((await read(1, id)).status).toBe(200))
    node(0).child.kill('SIGSTOP')
    try {
      expect((await post(1, `${id}/cancel`)).body).toMatchObject({ status: 'failed' })
    } finally {
      node(0).child.kill('SIGCONT')
    }
    await eventually(async () => expect((await read(0, id)).json()).toMatchObject({ status: 'failed' }))
    await eventually(async () => expect(await running(0)).toBe(0))
    expect((await read(1, id)).json()).toMatchObject({ status: 'failed' })
  }, 60_000)
})
