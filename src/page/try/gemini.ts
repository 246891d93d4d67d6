import { keyHeader } from '../../dialects/gemini/headers.ts'
import { addText, argumentsOf, calls, dataOf, type TryDialect, textOf } from './dialect.ts'
import { clockTool } from './transcript.ts'

/** Google's API: the model stands in the address, calls come whole. */
export const gemini: TryDialect = {
  id: 'gemini',
  label: 'Gemini',
  path: (model) => `/v1beta/models/${model}:streamGenerateContent?alt=sse`,
  keyHeader: (key) => [keyHeader, key],
  headers: {},
  body: (turns, { thinking, maxTokens, tool }) => ({
    contents: turns.flatMap((turn): object[] => {
      if (turn.by === 'user') {
        const images = turn.images.map(({ url }) => {
          const { mediaType, base64 } = dataOf(url)
          return { inlineData: { mimeType: mediaType, data: base64 } }
        })
        return [{ role: 'user', parts: [{ text: turn.text }, ...images] }]
      }
      const made = calls(turn)
      const text = textOf(turn)
      const parts = [
        ...(text ? [{ text }] : []),
        ...made.map(({ id, name, args }) => ({ functionCall: { id, name, args: argumentsOf(args) } })),
      ]
      const results = made.map(({ id, name, result }) => ({ functionResponse: { id, name, response: { result } } }))
      return [
        ...(parts.length > 0 ? [{ role: 'model', parts }] : []),
        ...(results.length > 0 ? [{ role: 'user', parts: results }] : []),
      ]
    }),
    ...(tool ? { tools: [{ functionDeclarations: [clockTool] }] } : {}),
    generationConfig: {
      ...(maxTokens === undefined ? {} : { maxOutputTokens: maxTokens }),
      thinkingConfig: {
        ...(thinking === 'none' ? { thinkingBudget: 0 } : { includeThoughts: true }),
        ...(thinking === 'none' || thinking === 'default' ? {} : { thinkingLevel: thinking.toUpperCase() }),
      },
    },
  }),
  isOwn: ({ candidates, usageMetadata }) => Boolean(candidates || usageMetadata),
  take(progress, _event, data, at) {
    const candidate = data.candidates?.[0]
    for (const { text, thought, functionCall: call } of candidate?.content?.parts ?? []) {
      addText(progress, thought ? 'reasoning' : 'text', text, at)
      if (call)
        progress.parts.push({ type: 'call', id: call.id ?? '', name: call.name, args: JSON.stringify(call.args ?? {}) })
    }
    if (candidate?.finishReason) progress.stop = candidate.finishReason
    const usage = data.usageMetadata
    if (usage)
      progress.usage = {
        input: usage.promptTokenCount,
        cached: usage.cachedContentTokenCount,
        output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
        reasoning: usage.thoughtsTokenCount,
      }
  },
}
