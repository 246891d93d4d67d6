import { type Static, Type } from '@sinclair/typebox'
import { defineEmbeddings } from '../../core/dialect-route.ts'
import { type EmbeddingRequest, mostDimensions } from '../../core/embedding.ts'
import { invalidField } from '../../core/errors.ts'
import { maybe, open } from '../../json/lenient-schema.ts'
import { rejectInputs } from '../openai/embedding-inputs.ts'

const content = open({ parts: Type.Array(open({ text: maybe(Type.String()) }), { minItems: 1 }) })
const length = maybe(Type.Integer({ minimum: 1, maximum: mostDimensions }))
/** Fields may also be spelled as in protocol buffers. */
const embedBody = open({
  content,
  model: maybe(Type.String()),
  taskType: maybe(Type.String()),
  title: maybe(Type.String()),
  outputDimensionality: length,
  output_dimensionality: length,
})
const batchBody = open({ requests: Type.Array(embedBody, { minItems: 1 }) })

type EmbedBody = Static<typeof embedBody>

const text = { content: { parts: [{ text: 'The sky is blue.' }] } }

/** `:embedContent`: a vector for one text. Source: Google's reference of `v1beta`, 2026-11. */
export const embedContent = defineEmbeddings({
  path: '/models/:model+:embedContent',
  summary: 'A vector for a text',
  body: embedBody,
  decode: (body, { params }) => ({
    request: requestOf(params.model ?? '', [body], () => ''),
    encode: ({ vectors }) => ({ embedding: { values: vectors[0] ?? [] } }),
  }),
  example: () => text,
})

/** `:batchEmbedContents`: vectors for several texts, all of one model and one length. */
export const batchEmbedContents = defineEmbeddings({
  path: '/models/:model+:batchEmbedContents',
  summary: 'Vectors for texts',
  body: batchBody,
  decode({ requests }, { params }) {
    rejectInputs(requests, 'requests')
    return {
      request: requestOf(params.model ?? '', requests, (index) => `requests.${index}.`),
      encode: ({ vectors }) => ({ embeddings: vectors.map((values) => ({ values })) }),
    }
  },
  example: (model) => ({ requests: [{ model: `models/${model}`, ...text }] }),
})

function requestOf(model: string, bodies: readonly EmbedBody[], pathOf: (index: number) => string): EmbeddingRequest {
  const inputs = bodies.map(({ content: { parts } }) => parts.map(({ text }) => text ?? '').join('\n'))
  rejectInputs(inputs, 'requests', (index) => `${pathOf(index)}content`)
  const lengths = new Set(bodies.map(dimensionsOf))
  const [dimensions] = lengths
  if (lengths.size > 1)
    throw invalidField(`${pathOf(0)}outputDimensionality`, 'expected the same length in all requests.')
  return {
    model,
    inputs,
    dimensions,
    // The model makes one kind of vector for every purpose.
    ignored: [
      ...(bodies.some(({ taskType }) => taskType) ? ['taskType'] : []),
      ...(bodies.some(({ title }) => title) ? ['title'] : []),
    ],
  }
}

function dimensionsOf({ outputDimensionality, output_dimensionality }: EmbedBody): number | undefined {
  return outputDimensionality ?? output_dimensionality ?? undefined
}
