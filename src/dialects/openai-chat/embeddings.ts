import { Type } from '@sinclair/typebox'
import { defineEmbeddings } from '../../core/dialect-route.ts'
import { type EmbeddingReply, mostDimensions } from '../../core/embedding.ts'
import { longestModelName } from '../../core/model-name.ts'
import { maybe, open } from '../../json/lenient-schema.ts'
import { rejectInputs } from '../openai/embedding-inputs.ts'

const tokens = Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1 })

const embeddingBody = open({
  model: Type.String({ minLength: 1, maxLength: longestModelName }),
  input: Type.Union([
    Type.String(),
    Type.Array(Type.String(), { minItems: 1 }),
    tokens,
    Type.Array(tokens, { minItems: 1 }),
  ]),
  dimensions: maybe(Type.Integer({ minimum: 1, maximum: mostDimensions })),
  encoding_format: Type.Optional(Type.Union([Type.Literal('float'), Type.Literal('base64'), Type.Null()])),
  // The user id is not passed on.
  user: Type.Optional(Type.Unknown()),
})

/** `POST /embeddings` of OpenAI's API. */
export const embeddings = defineEmbeddings({
  path: '/embeddings',
  summary: 'Vectors for texts',
  body: embeddingBody,
  decode: ({ model, input, dimensions, encoding_format }) => ({
    request: { model, inputs: inputsOf(input), dimensions: dimensions ?? undefined, ignored: [] },
    encode: (reply, head) => encode(reply, head.model, encoding_format === 'base64'),
  }),
  example: (model) => ({ model, input: 'The sky is blue.' }),
})

function inputsOf(input: string | readonly string[] | readonly number[] | readonly number[][]): (string | number[])[] {
  const inputs: (string | number[])[] = []
  if (typeof input === 'string') {
    rejectInputs([input], 'input', () => 'input')
    return [input]
  }
  const numbers: number[] = []
  for (const one of input)
    if (typeof one === 'number') numbers.push(one)
    else inputs.push(one)
  if (numbers.length > 0) inputs.push(numbers)
  rejectInputs(inputs, 'input')
  return inputs
}

function encode({ vectors, inputTokens }: EmbeddingReply, model: string, asBase64: boolean): object {
  return {
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: asBase64 ? base64Of(vector) : vector,
    })),
    model,
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
  }
}

/** 32-bit numbers, the lowest byte first. */
function base64Of(vector: readonly number[]): string {
  const bytes = new DataView(new ArrayBuffer(vector.length * 4))
  for (const [index, value] of vector.entries()) bytes.setFloat32(index * 4, value, true)
  return new Uint8Array(bytes.buffer).toBase64()
}
