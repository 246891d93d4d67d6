import { describe, expect, test } from 'bun:test'
import { eventStream, fieldOf, json } from '../../support/chat-zai.ts'
import { chatRoute, chunks, chunkText, refusal } from '../../support/zai-api.ts'
import { all, outcome, setUp } from './opening.ts'

describe('a temporary failure is retried once', () => {
  test.each<[string, () => Response, string, string?]>([
    ['a network error', () => refusal(500, '1234', 'Network error'), 'upstream_error'],
    ['a bad gateway', () => new Response('<html>502</html>', { status: 502 }), 'upstream_error'],
    [
      'an error as the first frame',
      () => eventStream('data: {"error":{"code":"1234","message":"x"}}\n\n'),
      'upstream_error',
    ],
    ['a model lost before the first word', () => chunks({ finish_reason: 'network_error' }), 'upstream_unavailable'],
    ['an empty answer', () => chunks({ finish_reason: 'stop' }), 'upstream_empty_response'],
    ['a stream that ends at once', () => eventStream(''), 'upstream_truncated', ', which may have been carried out'],
    ['an answer that is no stream', () => json({ hello: 'world' }), 'upstream_malformed'],
  ])('%s', async (_name, reply, code, more = '') => {
    const { api, upstream, call, notes } = setUp()
    api.script(chatRoute, reply)
    expect(await outcome(upstream().open(call()))).toBe('Hello there.')
    expect(notes).toEqual([`retry (again) after ${code}${more}`])
    // The API accepts each request id once.
    expect(new Set(api.to(chatRoute).map(({ body }) => fieldOf(body, 'request_id'))).size).toBe(2)

    api.script(chatRoute, reply, reply)
    expect(await outcome(upstream().open(call()))).toBe(code)
    expect(api.to(chatRoute)).toHaveLength(4)
  })

  test('a connection that fails', async () => {
    const { api, upstream, call } = setUp()
    let failures = 0
    const fetch: typeof api.fetch = (url, init) =>
      failures++ === 0
        ? Promise.reject(Object.assign(new Error('no'), { code: 'ConnectionRefused' }))
        : api.fetch(url, init)
    expect(await outcome(upstream({}, fetch).open(call()))).toBe('Hello there.')
  })

  test.each([
    ['a bad request', () => refusal(400, '1210', 'Invalid API parameter'), 'invalid_request'],
    ['an unknown model', () => refusal(400, '1211', 'Unknown Model'), 'model_not_found'],
    ['a prompt that is too long', () => refusal(400, '1261', 'Prompt exceeds max length'), 'context_length_exceeded'],
    ['a wrong address', () => json({ code: 500, msg: '404 NOT_FOUND', success: false }), 'upstream_wrong_address'],
  ])('but not %s', async (_name, reply, code) => {
    const { api, upstream, call } = setUp(['key-1', 'key-2'])
    api.script(chatRoute, reply)
    expect(await outcome(upstream().open(call()))).toBe(code)
    expect(api.to(chatRoute)).toHaveLength(1)
  })

  test('but not a failure after the first word', async () => {
    const { api, upstream, call } = setUp()
    const broken = `data: ${chunkText({ delta: { content: 'Par' } })}\n\ndata: {"error":{"code":"1234","message":"x"}}\n\n`
    api.script(chatRoute, eventStream(broken))
    expect(await all(upstream().open(call()))).toMatchObject([
      { text: 'Par' },
      { type: 'error', error: { code: 'upstream_error' } },
    ])
    expect(api.to(chatRoute)).toHaveLength(1)
  })
})
