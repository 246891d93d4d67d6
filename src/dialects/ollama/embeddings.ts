import { Type } from '@sinclair/typebox'
import { defineEmbeddings } from '../../core/dialect-route.ts'
import { mostDimensions } from '../../core/embedding.ts'
import { maybe, open } from '../../json/lenient-schema.ts'
import { rejectInputs } from '../openai/embedding-inputs.ts'
import { ignoredOptions } from './ignored.ts'
import { requestFields } from './request-fields.ts'

const { model, options, keep_alive, truncate } = requestFields

/** `POST /api/embed`. Source: `api/types.go` of Ollama, 2026-08. */
export const embed = defineEmbeddings({
  path: '/embed',
  summary: 'Vectors for texts',
  body: open({
    ...{ model, options, keep_alive, truncate },
    input: Type.Union([Type.String(), Type.Array(Type.String())]),
    /** 0 stands for the length that the model has. */
    dimensions: maybe(Type.Integer({ minimum: 0, maximum: mostDimensions })),
  }),
  decode({ model, input, dimensions, options }) {
    const inputs = [input].flat()
    rejectInputs(inputs, 'input', (index) => (typeof input === 'string' ? 'input' : `input.${index}`))
    return {
      request: { model, inputs, dimensions: dimensions || undefined, ignored: ignoredOptions(options ?? {}) },
      encode: ({ vectors, inputTokens }, { model, totalMs }) => ({
        model,
        embeddings: vectors,
        total_duration: Math.round(totalMs * 1e6),
        load_duration: 0,
        prompt_eval_count: inputTokens,
      }),
    }
  },
  example: (model) => ({ model, input: ['The sky is blue.'] }),
})

/** `POST /api/embeddings`, which `embed` has replaced. */
export const oldEmbeddings = defineEmbeddings({
  path: '/embeddings',
  summary: 'A vector for a text (legacy)',
  body: open({ ...{ model, options, keep_alive }, prompt: Type.String() }),
  decode({ model, prompt, options }) {
    rejectInputs([prompt], 'prompt', () => 'prompt')
    return {
      request: { model, inputs: [prompt], dimensions: undefined, ignored: ignoredOptions(options ?? {}) },
      encode: ({ vectors }) => ({ embedding: vectors[0] ?? [] }),
    }
  },
  example: (model) => ({ model, prompt: 'The sky is blue.' }),
})
