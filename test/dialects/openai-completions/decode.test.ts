import { expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { openaiCompletions } from '../../../src/dialects/openai-completions/index.ts'
import { invalidBody } from '../../../src/http/body-validation.ts'
import { requestContext } from '../../support/request-context.ts'
import { thrownBy } from '../stream.ts'

const decode = (more: object) => openaiCompletions.decode({ model: 'GLM-4.5', prompt: 'Hi', ...more }, requestContext())

// What is understood stands in golden/requests/openai-completions.
test.each<[string, object, string]>([
  ['more than one choice', { n: 2 }, 'n'],
  ['the best of several', { best_of: 3 }, 'best_of'],
  ['an end to write towards', { suffix: '}' }, 'suffix'],
  ['log probabilities', { logprobs: 5 }, 'logprobs'],
  ['a prompt of tokens', { prompt: [9906, 1917] }, 'prompt'],
  ['prompts of tokens', { prompt: [[9906], [1917]] }, 'prompt'],
  ['several prompts', { prompt: ['a', 'b'] }, 'prompt'],
  ['no prompt in the list', { prompt: [] }, 'prompt'],
  ['an empty prompt', { prompt: '' }, 'prompt'],
])('%s is refused by the name of its field', (_name, body, param) => {
  expect(thrownBy(() => decode(body))).toMatchObject({
    kind: 'invalid-request',
    param,
    message: expect.stringMatching(new RegExp(`^${param}: `)),
  })
})

const door = TypeCompiler.Compile(openaiCompletions.body)

test.each<[string, number]>([
  ['temperature', 2.1],
  ['top_p', -0.1],
  ['n', 129],
  ['best_of', 21],
  ['max_tokens', 0],
  ['frequency_penalty', 2.5],
  ['presence_penalty', -2.5],
  ['logprobs', 6],
])('%s of %d is out of its range', (field, value) => {
  const body = { model: 'GLM-4.5', prompt: 'Hi', [field]: value }
  expect(door.Check(body)).toBe(false)
  expect(invalidBody(openaiCompletions.body, body).param).toBe(field)
})
