import { describe, expect, test } from 'bun:test'
import type { Model } from '../../src/core/upstream.ts'
import { clampMaxTokens } from '../../src/gateway/clamp-max-tokens.ts'
import type { Corrected } from '../../src/tokens/calibrate.ts'
import { plainRequest } from '../support/request.ts'

const model: Model = {
  id: 'GLM-4.7',
  upstreamId: 'glm-4.7',
  createdAtSeconds: 0,
  vision: false,
  reasoning: 'by-default',
  search: true,
  contextTokens: 200_000,
  maxOutputTokens: 131_072,
}
const prompt: Corrected = { least: 90_000, likely: 100_000, most: 110_000 }

function clamped(maxTokens: number | undefined, size = prompt, of: Partial<Model> = {}) {
  const notes: string[] = []
  const ignored: string[] = []
  const request = plainRequest(maxTokens === undefined ? {} : { sampling: { maxTokens, temperature: 1 } })
  const { sampling } = clampMaxTokens(request, {
    model: { ...model, ...of },
    prompt: size,
    annotate: (note) => notes.push(note),
    onIgnored: (name) => ignored.push(name),
  })
  return { sampling, notes, ignored }
}

describe('max_tokens', () => {
  test.each<[string, number | undefined, Corrected, Partial<Model>]>([
    ['that fits stays', 90_000, prompt, {}],
    ['nobody gave stays the upstream’s to choose', undefined, { ...prompt, most: 250_000 }, {}],
    ['beyond the longest answer counts as that', 999_999, prompt, { maxOutputTokens: 64_000 }],
    ['of a window nobody knows stays', 999_999, prompt, { contextTokens: undefined }],
  ])('%s', (_name, maxTokens, size, of) => {
    const { sampling, notes, ignored } = clamped(maxTokens, size, of)
    expect(sampling.maxTokens).toBe(maxTokens)
    expect(notes).toEqual([])
    expect(ignored).toEqual([])
  })

  test.each<[string, number, Corrected, number]>([
    ['is cut to the room that is surely left', 100_000, prompt, 90_000],
    ['keeps 256 where the prompt may fit', 32_000, { least: 199_744, likely: 205_000, most: 210_000 }, 256],
    ['keeps what the client asked where that is less', 32, { least: 199_968, likely: 205_000, most: 210_000 }, 32],
  ])('%s', (_name, maxTokens, size, expected) => {
    const { sampling, notes, ignored } = clamped(maxTokens, size)
    expect(ignored).toEqual(expected === maxTokens ? [] : ['max_tokens'])
    expect(sampling).toEqual({ maxTokens: expected, temperature: 1 })
    expect(notes).toEqual(
      expected === maxTokens ? [] : [`max_tokens ${maxTokens} cut to ${expected}: the prompt leaves no room for more`],
    )
  })
})

describe('a prompt that leaves no room', () => {
  test.each<[string, number | undefined, Corrected, number]>([
    ['for any answer', undefined, { least: 200_001, likely: 210_000, most: 220_000 }, 210_000],
    ['for the smallest answer', 32_000, { least: 199_745, likely: 199_800, most: 199_900 }, 200_001],
  ])('%s is an overflow', (_name, maxTokens, size, tokens) => {
    expect(() => clamped(maxTokens, size)).toThrow(
      expect.objectContaining({ kind: 'context-overflow', overflow: { tokens, maximum: 200_000 } }),
    )
  })
})
