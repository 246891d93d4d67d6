import { expect, test } from 'bun:test'
import type { Delta } from '../../src/core/events.ts'
import type { ChatRequest, Message } from '../../src/core/request.ts'
import { runTransform } from '../../src/core/transform.ts'
import type { Model, Upstream } from '../../src/core/upstream.ts'
import { replyRules } from '../../src/gateway/reply-rules.ts'
import { replyOf } from '../support/replies.ts'
import { plainRequest } from '../support/request.ts'

const anyModel: Model = {
  id: 'M',
  upstreamId: 'm',
  createdAtSeconds: 0,
  vision: false,
  reasoning: 'never',
  search: false,
}
const look = { name: 'look', description: '', parameters: {} }
const question: Message = { role: 'user', parts: [{ type: 'text', text: 'Well?' }] }
const result: Message = { role: 'tool', callId: 'a', parts: [{ type: 'text', text: 'Seen.' }], isError: false }

const say = (text: string): Delta => ({ type: 'text', text })
const long = say('word '.repeat(1_000))
const stop: Delta = { type: 'finish', reason: 'stop' }
const cut: Delta = { type: 'finish', reason: 'length' }

function ends(asked: Partial<ChatRequest>, deltas: Delta[], traits: Partial<Upstream> = {}): string {
  const upstream: Upstream = {
    id: 'u',
    models: async () => [],
    ignored: () => [],
    open: async () => replyOf([]),
    check: async () => {},
    ...traits,
  }
  const request = plainRequest({
    model: 'm',
    messages: [question],
    tools: [look],
    ...asked,
  })
  const options = { loopLimit: 10_000, countTokens: (text: string) => text.length / 4, annotate: () => {} }
  const last = runTransform(replyRules({ upstream, model: anyModel, request }, options), deltas).at(-1)
  if (last?.type === 'finish') return last.reason
  return last?.type === 'error' ? last.error.code : (last?.type ?? 'nothing')
}

test.each<[string, Partial<ChatRequest>, Delta[], Partial<Upstream>, string]>([
  ['a plain reply ends as it does', {}, [say('Yes.'), stop], {}, 'stop'],
  ['one too long is cut', { sampling: { maxTokens: 10 } }, [long, stop], {}, 'length'],
  [
    'not where the upstream sees to it',
    { sampling: { maxTokens: 10 } },
    [long, stop],
    { enforcesMaxTokens: true },
    'stop',
  ],
  ['not without a limit', {}, [long, stop], {}, 'stop'],
  ['a call that must come is missed', { toolChoice: 'required' }, [say('No.'), stop], {}, 'tool_choice_not_honoured'],
  [
    'not after the results of one',
    { toolChoice: 'required', messages: [question, result] },
    [say('So.'), stop],
    {},
    'stop',
  ],
  ['not where there are no tools', { toolChoice: 'required', tools: [] }, [say('No.'), stop], {}, 'stop'],
  [
    'not where the client knows that nobody heeds it',
    { toolChoice: 'required' },
    [say('No.'), stop],
    { ignored: () => ['tool_choice'] },
    'stop',
  ],
  ['a cut reply stays a cut one', { toolChoice: 'required' }, [say('No'), cut], {}, 'length'],
  ['a stop sequence stops', { sampling: { stop: ['e'] } }, [say('Yes.'), stop], {}, 'stop-sequence'],
  [
    'a loop is found before anything else',
    { toolChoice: 'required' },
    [say('no '.repeat(9_000)), stop],
    {},
    'repetition_loop',
  ],
])('%s', (_name, asked, deltas, traits, expected) => {
  expect(ends(asked, deltas, traits)).toBe(expected)
})
