import { expect, test } from 'bun:test'
import { storedInSteps } from '../../src/composition/stored-in-steps.ts'
import type { StoredResponse } from '../../src/core/stored-conversation.ts'
import { noResponseStore } from '../../src/store/responses.ts'
import { manualClock } from '../support/clock.ts'

/** Puts replies, and returns what the store was given. */
async function putInSteps(...replies: StoredResponse[]): Promise<unknown[][]> {
  const clock = manualClock()
  // Each look at it is 5 ms later.
  const slow = {
    ...clock,
    monotonic: () => {
      clock.advance(5)
      return clock.monotonic()
    },
  }
  const given: unknown[][] = []
  const store = storedInSteps({ ...noResponseStore, put: async (...args) => void given.push(args) }, slow)
  const putting = Promise.all(replies.map((reply) => store.put('ann', reply)))
  await Promise.resolve()
  await Promise.resolve()
  given.push(['other requests'])
  await putting
  return given
}

test('a reply with a long text is given as JSON, after other requests have run', async () => {
  const reply = { id: 'a', reply: { output: ['🙂汉字\n"'.repeat(300_000), undefined, 1] }, input: [{ role: 'user' }] }
  const json = { reply: JSON.stringify(reply.reply), input: JSON.stringify(reply.input) }
  expect(await putInSteps(reply)).toEqual([['other requests'], ['ann', reply, json]])
})

test('a short reply is stored at once', async () => {
  const reply = { id: 'a', reply: { output: ['汉字'] }, input: [] }
  expect(await putInSteps(reply)).toEqual([['ann', reply, undefined], ['other requests']])
})
