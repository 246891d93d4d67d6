import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseJsonBody } from '../../src/http/body.ts'
import { createPreviousBodies } from '../../src/http/previous-bodies.ts'
import { manualClock } from '../support/clock.ts'

/** Parses texts as one client would send them, one after the other. */
function session(clock = manualClock()) {
  const bodies = createPreviousBodies(clock)
  return async (json: string, owner = 'one', mostValues?: number): Promise<unknown> => {
    const previous = bodies.of(owner)
    const { body, keep } = await parseJsonBody(Buffer.from(json), { clock, previous, mostValues })
    keep?.()
    return body
  }
}

/** Long enough to be searched for a known prefix, with characters of several bytes. */
const system = 'Du bist 一个助手 🙂. '.repeat(6_000)
const history = Array.from({ length: 20 }, (_, turn) => ({ role: 'user', content: `${turn}: "né", \\ ] } [ {` }))
const body = (messages: unknown[], more: object = { stream: true }) => ({ model: 'glm', system, messages, ...more })

/** Compared by identity. */
function messageOf(body: unknown, index: number): unknown {
  return Object(body).messages[index]
}

describe('a body that continues a previous one', () => {
  test('is what JSON.parse makes of it, with the same objects for what was known', async () => {
    const parse = session()
    const first = await parse(JSON.stringify(body(history)))
    const next = body([...history, { role: 'assistant', content: 'ö' }, { role: 'user', content: null }], { top_p: 1 })
    const second = await parse(JSON.stringify(next))
    expect(second).toEqual(next)
    expect(messageOf(second, 18)).toBe(messageOf(first, 18))
    expect(messageOf(second, 19)).not.toBe(messageOf(first, 19))
    const third = await parse(JSON.stringify(next))
    expect(third).toEqual(next)
    expect(messageOf(third, 20)).toBe(messageOf(second, 20))
  })

  test('is parsed as JSON.parse does, whatever its rest is', async () => {
    const known = JSON.stringify(body(history))
    const beginning = known.slice(0, known.lastIndexOf(','))
    const rests = [
      ...['', ']', ']}', ',]}', ',{}', ',{}]', ',{}]}', ',{}]} ', ',{}]}x', ',{}],}', ',{},]}', ',{}]]}', ',{}}]}'],
      ...[',{}],"model":"other"}', ',{}],"messages":[0,1]}', ',{}],"messages":[0]}', ',{}],"__proto__":{"a":1}}'],
      ...[',{"__proto__":{"a":1}}]}', ',{}],"n":{"messages":[1,2]}}', ',{}],"a":"\\ud83d"}', ' , {} ] , "x" : [ ] }'],
      ...[',{}],"mess\\u0061ges":[0,7]}', ',0,[0]]}', ',"]}"]}'],
    ]
    for (const rest of rests) {
      const parse = session()
      await parse(known)
      await expectSame(parse, beginning + rest)
    }
  })

  test('is parsed as JSON.parse does, whatever was sent before', async () => {
    const texts = [
      `{"model":"a","model":"b","system":${JSON.stringify(system)},"messages":[1,2,3],"stream":false}`,
      `{"model":"a","system":${JSON.stringify(system)},"messages":[1,2,3],"model":"c"}`,
      `{"messages":[9,9,9,9],"system":${JSON.stringify(system)},"messages":[1,2,3]}`,
      `{"\\u006dodel":"a","system":${JSON.stringify(system)},"messages":[1,2,4],"__proto__":[1,2,3]}`,
      `{"__proto__":1,"system":${JSON.stringify(system)},"messages":[1,2,4]}`,
      `[${JSON.stringify(system)},1,2,3]`,
      ` {"system":${JSON.stringify(system)},"messages":[[1,2],[3,4],{"a":[5,6]}]} `,
      `{"system":${JSON.stringify(system)},"messages":{"a":[1,2,3]}}`,
    ]
    for (const one of texts) {
      const parse = session()
      for (const text of [one, one, one.replace(/([\]}])/, ',7$1'), ...texts]) await expectSame(parse, text)
    }
  })

  test('is the same as without the previous ones, for random sessions', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 })
    const message = fc.record({ role: text, content: fc.oneof(text, fc.jsonValue({ maxDepth: 3 })) })
    const turn = fc.record({
      keep: fc.nat({ max: 12 }),
      add: fc.array(message, { maxLength: 6 }),
      more: fc.jsonValue(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 2, maxLength: 8 }), async (turns) => {
        const parse = session()
        let messages: unknown[] = []
        for (const { keep, add, more } of turns) {
          messages = [...messages.slice(0, keep), ...add]
          await expectSame(parse, JSON.stringify({ model: 'glm', system, messages, more }))
        }
      }),
      { numRuns: 60 },
    )
  })

  test('may hold as many values as any other', async () => {
    const known = JSON.stringify(body(history))
    const next = JSON.stringify(body([...history, 1, 2, 3]))
    const isTaken = async (limit: number, ...before: string[]) => {
      const parse = session()
      for (const text of before) await parse(text)
      return await parse(next, 'one', limit).then(
        () => true,
        ({ code }) => code !== 'too_many_values',
      )
    }
    const limits = Array.from({ length: 100 }, (_, limit) => limit)
    const alone = await Promise.all(limits.map((limit) => isTaken(limit)))
    expect(await Promise.all(limits.map((limit) => isTaken(limit, known)))).toEqual(alone)
    expect(new Set(alone)).toEqual(new Set([false, true]))
  })

  test('is refused as any other if it is nested too deep', async () => {
    const parse = session()
    await parse(JSON.stringify(body(history)))
    const deep = `${'['.repeat(300)}${']'.repeat(300)}`
    const text = JSON.stringify(body([...history, 'deep'])).replace('"deep"', deep)
    await expect(parse(text)).rejects.toMatchObject({ code: 'too_deep' })
  })
})

test('a caller never gets the objects of another one', async () => {
  const parse = session()
  const text = JSON.stringify(body(history))
  const [first, second, other] = [await parse(text), await parse(text), await parse(text, 'two')]
  expect(messageOf(second, 0)).toBe(messageOf(first, 0))
  expect(messageOf(other, 0)).not.toBe(messageOf(first, 0))
})

test('a body of many small values counts for the memory that they take', async () => {
  const clock = manualClock()
  const previous = createPreviousBodies(clock).of('one')
  // 180 KB, of which the values take 12 MB.
  const bodies = ['a', 'b'].map((name) =>
    Buffer.from(JSON.stringify({ name, list: Array.from({ length: 60_000 }, () => []) })),
  )
  for (const each of bodies) (await parseJsonBody(each, { clock, previous })).keep?.()
  expect(bodies.map((each) => previous.longestPrefixOf(each) !== undefined)).toEqual([false, true])
})

test('a body that was refused is not kept', async () => {
  const clock = manualClock()
  const bodies = createPreviousBodies(clock)
  const previous = bodies.of('one')
  const text = Buffer.from(JSON.stringify(body(history)))
  await parseJsonBody(text, { clock, previous })
  expect(previous.longestPrefixOf(text)).toBeUndefined()
  ;(await parseJsonBody(text, { clock, previous })).keep?.()
  expect(previous.longestPrefixOf(text)?.comma).toBe(history.length - 2)
})

test('bodies are forgotten after ten minutes without requests', async () => {
  const clock = manualClock()
  const parse = session(clock)
  const text = JSON.stringify(body(history))
  const first = await parse(text)
  clock.advance(10 * 60_000)
  const later = await parse(text)
  expect(messageOf(later, 0)).not.toBe(messageOf(first, 0))
})

async function expectSame(parse: (json: string) => Promise<unknown>, json: string): Promise<void> {
  let expected: unknown
  try {
    expected = JSON.parse(json)
  } catch {
    await expect(parse(json)).rejects.toMatchObject({ code: 'invalid_json' })
    return
  }
  // In the order of members, and without prototypes: `toEqual` would look at neither.
  expect(JSON.stringify(await parse(json))).toBe(JSON.stringify(expected))
}
