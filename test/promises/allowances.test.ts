import { afterEach, describe, expect, test } from 'bun:test'
import type { Caller } from '../../src/core/caller.ts'
import { localCaller, policyOf } from '../../src/http/client-keys.ts'
import { createLimits } from '../../src/http/limits.ts'
import { openRecord } from '../../src/observe/record.ts'
import { manualClock } from '../support/clock.ts'
import { chat, forms, gatewayOf, post, says, stopGateways } from './sockets.ts'

afterEach(stopGateways)

describe('the allowance of a key', () => {
  test('of requests is one for all dialects, and 429 says when there is more', async () => {
    const gateway = gatewayOf({ rates: { rateLimitRpm: 1 } })
    expect((await post(gateway, '/v1/messages/count_tokens', says('Hi'))).status).toBe(200)
    expect((await post(gateway, chat, says('Hi'))).status).toBe(200)
    for (const [path, body] of forms) {
      const refused = await post(gateway, path, body)
      expect(refused.status).toBe(429)
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50)
      expect(JSON.stringify(await refused.json())).toContain('RATE_LIMIT_RPM')
    }
  })

  test('of tokens is spent by the reply', async () => {
    const gateway = gatewayOf({ rates: { rateLimitTpm: 10 } })
    expect((await post(gateway, chat, says('Hi'))).status).toBe(200)
    const refused = await post(gateway, chat, says('Hi'))
    expect(refused.status).toBe(429)
    expect(JSON.stringify(await refused.json())).toContain('RATE_LIMIT_TPM')
  })

  test('of one key is not that of the other', async () => {
    const access = { openaiKey: 'sk-one', anthropicKey: 'sk-two' }
    const gateway = gatewayOf({ access, rates: { rateLimitRpm: 1 } })
    const asked = async (path: string, key: string) =>
      (await post(gateway, path, says('Hi'), { headers: { authorization: `Bearer ${key}` } })).status
    expect(await asked(chat, 'sk-one')).toBe(200)
    expect(await asked(chat, 'sk-one')).toBe(429)
    expect(await asked('/v1/messages', 'sk-two')).toBe(200)
    expect(await asked('/v1/messages', 'sk-wrong')).toBe(401)
  })

  test('is the key’s own, with the name of what sets it, and changes with its policy', () => {
    const clock = manualClock()
    const limits = createLimits({ maxConcurrent: 10, maxMessages: 10 }, clock)
    const callOf = (keyId: string, perMinute?: number) => () => {
      const requests = perMinute === undefined ? undefined : { perMinute, setting: `the limit of ${keyId}` }
      const caller: Caller = { keyId, label: keyId, scope: ['openai'], policy: { requests } }
      limits.charge({ ...openRecord('req', 'POST', chat, clock), caller })
    }
    callOf('ann', 1)()
    expect(callOf('ann', 1)).toThrow(
      'This key has used up its requests (the limit of ann is 1) of this minute. There are more in 60 s.',
    )
    for (const call of [callOf('bob', 2), callOf('bob', 2), callOf('eve'), callOf('eve'), callOf('ann')]) call()
    expect(callOf('bob', 2)).toThrow('(the limit of bob is 2)')
  })

  test('fills up evenly, and never beyond a minute’s worth', () => {
    const clock = manualClock()
    const limits = createLimits({ maxConcurrent: 10, maxMessages: 10 }, clock)
    const caller = localCaller(policyOf({ rateLimitRpm: 2, rateLimitTpm: 0 }))
    const spent = () => {
      try {
        limits.charge({ ...openRecord('req', 'POST', chat, clock), caller })
        return 'in'
      } catch (thrown) {
        return thrown instanceof Error && 'retryAfterMs' in thrown ? thrown.retryAfterMs : thrown
      }
    }
    expect([spent(), spent(), spent()]).toEqual(['in', 'in', 30_000])
    clock.advance(30_000)
    expect([spent(), spent()]).toEqual(['in', 30_000])
    clock.advance(3_600_000)
    expect([spent(), spent(), spent()]).toEqual(['in', 'in', 30_000])
  })

  test.each([
    [{ requests: { perMinute: 10, setting: 'rpm' } }, 5, 10],
    [{ requests: { perMinute: 1, setting: 'rpm' } }, 1, 1],
    [{ parallel: 6 }, 3, 6],
    [{ parallel: 1 }, 1, 1],
  ])('of %j leaves half to requests that somebody waits for', (policy, ofBackground, all) => {
    const clock = manualClock()
    const limits = createLimits({ maxConcurrent: 100, maxMessages: 10 }, clock)
    const caller: Caller = { keyId: 'ann', label: 'ann', scope: ['anthropic'], policy }
    const granted = (isBackground?: true) => {
      for (let count = 0; ; count++)
        try {
          limits.charge({ ...openRecord('req', 'POST', chat, clock), caller, isBackground })
        } catch {
          return count
        }
    }
    expect([granted(true), granted(), granted(true)]).toEqual([ofBackground, all - ofBackground, 0])
  })

  test('can be overdrawn by a long reply', () => {
    const clock = manualClock()
    const limits = createLimits({ maxConcurrent: 10, maxMessages: 10 }, clock)
    const caller = localCaller(policyOf({ rateLimitRpm: 0, rateLimitTpm: 600 }))
    const record = { ...openRecord('req', 'POST', chat, clock), caller }
    limits.acquire(record)
    limits.charge(record)
    record.usage = { inputTokens: 1_000, outputTokens: 199 }
    limits.release(record)
    const refused = { kind: 'rate-limited', retryAfterMs: 60_000 }
    const next = { ...openRecord('req', 'POST', chat, clock), caller }
    expect(() => limits.charge(next)).toThrow(expect.objectContaining(refused))
  })
})
