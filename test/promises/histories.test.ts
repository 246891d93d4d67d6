import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { demo } from '../../src/upstreams/demo/index.ts'
import { manualClock } from '../support/clock.ts'
import { runs } from '../support/effort.ts'
import { gatewayApp } from '../support/gateway.ts'
import { type Door, doors, histories, readable } from '../support/histories.ts'

// Histories are made by many programs and kept for long: whatever stands in one, the conversation goes on.
const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0
const everyRun = { seed: 20261130, numRuns: runs(400), endOnFailure: false }
const app = gatewayApp([demo({ clock: manualClock(), idleMs: 1_000, paceMs: 0 })], { loopLimit: 0 })

async function post({ path, bodyOf }: Door, entries: unknown) {
  const body = JSON.stringify({ model: 'glm-4.7', ...bodyOf(entries) })
  const response = await app.handle(new Request(`http://localhost${path}`, { method: 'POST', body }))
  return { status: response.status, ignored: response.headers.get('x-zai2api-ignored'), text: await response.text() }
}

describe.each(doors.map((door) => [door.name, door] as const))('%s', (_name, door) => {
  test('goes on with words of the user behind any value in any place', async () => {
    await fc.assert(
      fc.asyncProperty(histories(door), async (history) => {
        const { status, text } = await post(door, [...history, { role: 'assistant', content: 'Well.' }, readable])
        if (status !== 200) throw new Error(`${status}: ${text}`)
      }),
      everyRun,
    )
  }, 60_000)

  test('answers any value in any place, or says which field is at fault', async () => {
    await fc.assert(
      fc.asyncProperty(histories(door), async (history) => {
        const { status, text } = await post(door, history)
        if (status === 200) return
        const message = door.messageOf(JSON.parse(text))
        if (status !== 400 || !/^(?:messages|input|contents)\b/.test(message)) throw new Error(`${status}: ${text}`)
      }),
      everyRun,
    )
  }, 60_000)

  test.each<[string, unknown, string | undefined]>([
    ['a role in capitals', [{ role: 'User', content: 'Hi' }], undefined],
    ['a role of another API', [{ role: 'model', parts: [{ text: 'Hi' }] }, readable], 'role (model)'],
    ['a result of another server', [readable, { role: 'ipython', content: '4' }], 'role (ipython)'],
    [
      'a role nobody knows, many times',
      [
        { role: 'robot', content: 'a' },
        { role: 'robot', content: 'b' },
      ],
      'role (robot)',
    ],
    ['a role that is no word', [{ role: 42, content: 'Hi' }], 'role (42)'],
    ['no role', [{ content: 'Hi' }], 'role (missing)'],
    ['nothing between messages', [null, readable, {}, null], undefined],
    ['a lone part as content', [{ role: 'user', content: { type: 'text', text: 'Hi' } }], undefined],
    ['a number as content', [{ role: 'user', content: 42 }], undefined],
    ['parts that are texts or nothing', [{ role: 'user', content: ['Hi', null, true] }], undefined],
    ['one message in place of many', readable, undefined],
    ['a text in place of messages', 'Hi', undefined],
    ['a role of another program', [{ role: 'bot', content: 'Hi' }, readable], 'role (bot)'],
  ])('takes %s', async (_case, history, ignored) => {
    const reply = await post(door, history)
    const isOwn = door.ownRoles.some((role) => ignored === `role (${role})`)
    const name = ignored === undefined || isOwn ? null : `${door.field}.${ignored}`
    expect([reply.status, reply.ignored]).toEqual([200, name])
  })

  test.each<[string, unknown]>([
    ['nothing at all', undefined],
    ['no messages', []],
    ['only nothing', [null, {}]],
    ['a number', 42],
    ['true', true],
  ])('refuses %s', async (_case, history) => {
    const { status, text } = await post(door, history)
    if (door.takesNothing && (history === undefined || isEmptyList(history))) expect(status).toBe(200)
    else
      expect([status, door.messageOf(JSON.parse(text))]).toEqual([
        400,
        expect.stringMatching(/^(?:messages|input|contents): /),
      ])
  })
})
