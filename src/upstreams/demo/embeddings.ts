import type { Embedder } from '../../core/embedding.ts'
import { invalidField } from '../../core/errors.ts'
import { modelOf } from '../../models/model.ts'
import type { ModelTable } from '../../models/table.ts'

const usualDimensions = 256
/** As many inputs as Z.AI accepts. */
const mostTexts = 64
/** As long as those of `embedding-3`, which reads as many tokens of a text. */
const mostDimensions = 2_048
const mostWords = 3_072

/**
 * Vectors without a model: each word has a direction that its letters decide, and a text points where its words do. So the same
 * text has the same vector everywhere, and texts that share words are close to each other.
 */
export function demoEmbedder(table: ModelTable): Embedder {
  const models = table.named.filter(({ kind }) => kind === 'embedding').map((facts) => modelOf(facts, facts.id))
  return {
    models: async () => models,
    unlisted: () => undefined,
    mostTexts,
    async embed({ texts, dimensions = usualDimensions, bill, observer }) {
      if (dimensions > mostDimensions)
        throw invalidField('dimensions', `the demo has vectors of at most ${mostDimensions} numbers.`)
      const meter = await bill()
      const observed = observer?.attempts(undefined)
      const body = JSON.stringify({ input: texts, dimensions })
      observed?.exchange?.sent({ method: 'POST', url: 'demo:embeddings', headers: [], body })
      meter.sent()
      observed?.begun()
      const inputTokens = texts.reduce((sum, text) => sum + wordsOf(text).length, 0)
      meter.reported({ inputTokens, outputTokens: 0 })
      meter.finished()
      observed?.ended()
      return { vectors: texts.map((text) => vectorOf(text, dimensions)), inputTokens }
    },
  }
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/\p{L}+|\p{N}+|\S/gu) ?? []
}

/** A vector of length 1, as embedding models return it: the sum of one direction for each word. */
function vectorOf(text: string, dimensions: number): number[] {
  const sum = new Float64Array(dimensions)
  for (const word of wordsOf(text).slice(0, mostWords)) addDirection(word, sum)
  const length = Math.hypot(...sum) || 1
  return [...sum].map((value) => Math.fround(value / length))
}

/** Adds numbers from -1 to 1 that depend on the word alone: xorshift, seeded with its hash. */
function addDirection(word: string, sum: Float64Array): void {
  let state = Bun.hash.crc32(word) || 1
  for (let at = 0; at < sum.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    sum[at] = (sum[at] ?? 0) + state / 0x8000_0000
  }
}
