import type { Decoded } from '../../../core/dialect.ts'
import { invalidField } from '../../../core/errors.ts'
import type { Message } from '../../../core/request.ts'
import { imageParts } from '../images.ts'
import { decodeSettings } from '../options.ts'
import { decodeContext, type Exchange } from './context.ts'
import type { GenerateOptions } from './encode.ts'
import type { GenerateBody } from './schema.ts'

/**
 * Decodes a prompt as the user's message, after what its `context` holds.
 *
 * Errors: `invalid-request` for a format that cannot be read, and for a suffix, because chat models do not support it.
 */
export function decode(body: GenerateBody): Decoded<GenerateOptions> {
  if (body.suffix)
    throw invalidField('suffix', 'chat models cannot write towards a given end; describe it in the prompt.')
  const { sampling, reasoning, output, stream, loadReason, ignored } = decodeSettings(body)
  const prompt = body.prompt ?? ''
  const images = imageParts(body.images)
  const isEmpty = prompt === '' && images.length === 0
  const before = decodeContext(body.context ?? [])
  const system = body.system || before?.system || ''
  const earlier = before?.turns ?? []
  return {
    request: {
      model: body.model,
      messages: [
        ...(system === '' ? [] : [{ role: 'system' as const, text: system }]),
        ...earlier.flatMap(messagesOf),
        { role: 'user', parts: [{ type: 'text', text: prompt }, ...images] },
      ],
      tools: [],
      toolChoice: 'auto',
      parallelToolCalls: true,
      sampling,
      reasoning,
      output,
      search: false,
      ignored: [
        ...ignored,
        // `raw` changes nothing, because the vendor always applies the model's own prompt template.
        ...(body.raw ? ['raw'] : []),
        ...(body.template ? ['template'] : []),
        ...(body.context?.length && before === undefined ? ['context'] : []),
      ],
    },
    options: { exchange: { system, turns: earlier }, prompt, loadReason: isEmpty ? loadReason : undefined },
    // Ollama answers a request that only loads the model with one object, also where a stream is wanted.
    stream: stream && !isEmpty,
    isEmpty: isEmpty || undefined,
  }
}

function messagesOf({ prompt, response }: Exchange['turns'][number]): Message[] {
  return [
    { role: 'user', parts: [{ type: 'text', text: prompt }] },
    { role: 'assistant', parts: [{ type: 'text', text: response }] },
  ]
}
