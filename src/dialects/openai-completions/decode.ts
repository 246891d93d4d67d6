import type { Decoded } from '../../core/dialect.ts'
import { invalidField } from '../../core/errors.ts'
import type { CompletionOptions } from './encode.ts'
import { ignoredOptions } from './ignored.ts'
import type { CompletionBody } from './schema.ts'

/**
 * Decodes a legacy Completions body: the prompt is the user's message, word for word.
 *
 * Without `max_tokens` there is no limit, while OpenAI's default is 16. Errors: `invalid-request` for prompts of
 * tokens, more than one prompt or choice, a suffix, and log probabilities, because chat models do not support them.
 */
export function decode(body: CompletionBody): Decoded<CompletionOptions> {
  rejectUnsupported(body)
  const prompt = promptOf(body.prompt)
  return {
    request: {
      model: body.model,
      messages: [{ role: 'user', parts: [{ type: 'text', text: prompt }] }],
      tools: [],
      toolChoice: 'auto',
      parallelToolCalls: true,
      sampling: {
        temperature: body.temperature ?? undefined,
        topP: body.top_p ?? undefined,
        maxTokens: body.max_tokens ?? undefined,
        stop: stopOf(body.stop),
      },
      reasoning: { mode: 'default' },
      output: { type: 'text' },
      search: false,
      ignored: ignoredOptions(body),
    },
    options: { includeUsage: body.stream_options?.include_usage ?? false, echo: body.echo ? prompt : '' },
    stream: body.stream ?? false,
  }
}

function rejectUnsupported({ n, best_of, suffix, logprobs }: CompletionBody): void {
  if ((n ?? 1) > 1) throw invalidField('n', 'this server gives one choice a request.')
  if ((best_of ?? 1) > 1) throw invalidField('best_of', 'this server writes one completion a request.')
  if (suffix) throw invalidField('suffix', 'chat models cannot write towards a given end; describe it in the prompt.')
  if (logprobs) throw invalidField('logprobs', 'log probabilities are not told here.')
}

function promptOf(prompt: CompletionBody['prompt']): string {
  const prompts = typeof prompt === 'string' ? [prompt] : prompt
  const [only, ...more] = prompts
  if (prompts.some((one) => typeof one !== 'string'))
    throw invalidField('prompt', 'prompts of tokens are not taken, for vocabularies differ; send the text.')
  if (more.length > 0) throw invalidField('prompt', 'one prompt a request; send several requests instead.')
  if (typeof only !== 'string' || only === '') throw invalidField('prompt', 'expected some text.')
  return only
}

function stopOf(stop: CompletionBody['stop']): string[] | undefined {
  const sequences = (typeof stop === 'string' ? [stop] : (stop ?? [])).filter((sequence) => sequence !== '')
  return sequences.length === 0 ? undefined : sequences
}
