import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { runTransform } from '../../../src/core/transform.ts'
import { ollamaGenerate } from '../../../src/dialects/ollama/index.ts'
import { requestContext } from '../../support/request-context.ts'
import { events, finish, head, reply, say, think, thrownBy, usage } from '../stream.ts'

const door = TypeCompiler.Compile(ollamaGenerate.body)
const decode = (more: object) => {
  const body = { model: 'GLM-4.7', prompt: 'Hi', ...more }
  expect([...door.Errors(body)]).toEqual([])
  return ollamaGenerate.decode(body, requestContext())
}
const user = (text: string) => ({ role: 'user' as const, parts: [{ type: 'text' as const, text }] })
const assistant = (text: string) => ({ role: 'assistant' as const, parts: [{ type: 'text' as const, text }] })

test('a suffix is refused', () => {
  expect(thrownBy(() => decode({ suffix: ')' }))).toMatchObject({ kind: 'invalid-request', param: 'suffix' })
})

test('without a prompt there is nothing to answer', () => {
  const { isEmpty, stream, options } = decode({ prompt: '', keep_alive: 0 })
  expect([isEmpty, stream]).toEqual([true, false])
  expect(ollamaGenerate.encodeReply(head, reply(finish()), options)).toEqual({
    model: 'glm-5',
    created_at: '2027-01-15T08:00:00.000Z',
    response: '',
    done: true,
    done_reason: 'unload',
  })
  expect(decode({ prompt: '', images: ['AAAA'] }).isEmpty).toBeUndefined()
})

describe('the context', () => {
  const contextAfter = (body: object, answer: string): number[] => {
    const { options } = decode(body)
    const whole = ollamaGenerate.encodeReply(head, reply(say(answer), usage, finish()), options)
    const lines = runTransform(ollamaGenerate.encoder(head, options), events(say(answer), usage, finish()))
    const { context } = JSON.parse(lines.at(-1) ?? '')
    expect(whole).toMatchObject({ response: answer, context, done: true })
    return context
  }

  test('of a reply brings the conversation back, without anything stored here', () => {
    const first = contextAfter({ prompt: 'I am Zoë 👋', system: 'Be brief.' }, 'Hello, Zoë.')
    expect(first.every((number) => Number.isInteger(number) && number >= 0 && number < 2 ** 31)).toBe(true)
    const second = contextAfter({ prompt: 'And you?', context: first }, 'GLM.')
    expect(decode({ prompt: 'Again?', context: second }).request.messages).toEqual([
      { role: 'system', text: 'Be brief.' },
      user('I am Zoë 👋'),
      assistant('Hello, Zoë.'),
      user('And you?'),
      assistant('GLM.'),
      user('Again?'),
    ])
  })

  test('is not given where it would be too long for the next request', () => {
    expect(contextAfter({ prompt: 'x'.repeat(720_000) }, 'y')).toBeUndefined()
    expect(contextAfter({ prompt: 'x'.repeat(700_000) }, 'y')?.length).toBeLessThan(240_000)
  })

  test('a new system prompt replaces that of the context', () => {
    const context = contextAfter({ system: 'Be brief.' }, 'Yes.')
    expect(decode({ context, system: 'Be kind.' }).request.messages[0]).toEqual({ role: 'system', text: 'Be kind.' })
  })

  test.each([
    ['tokens of another server', [128006, 882, 128007]],
    ['a context that was cut', contextAfter({}, 'Yes.').slice(0, 5)],
    ['a context that was changed', contextAfter({}, 'Yes.').map((number, at) => (at > 1 ? number ^ 255 : number))],
    ['numbers that are no bytes', [0x7a_32_61, 3, -5]],
  ])('%s are named as ignored', (_name, context) => {
    const { messages, ignored } = decode({ context }).request
    expect([messages, ignored]).toEqual([[user('Hi')], ['context']])
  })
})

test('the reasoning is apart from the response', () => {
  const { options } = decode({})
  const deltas = [think('Hm.'), say('Yes.'), usage, finish()]
  const lines = runTransform(ollamaGenerate.encoder(head, options), events(...deltas)).map((line) => JSON.parse(line))
  expect(lines.slice(0, 2)).toEqual([
    { model: 'glm-5', created_at: '2027-01-15T08:00:00.000Z', response: '', thinking: 'Hm.', done: false },
    { model: 'glm-5', created_at: '2027-01-15T08:00:00.000Z', response: 'Yes.', done: false },
  ])
  expect(ollamaGenerate.encodeReply(head, reply(...deltas), options)).toMatchObject({
    response: 'Yes.',
    thinking: 'Hm.',
  })
})
