import {
  type Content,
  FunctionCallingConfigMode,
  type GenerateContentParameters,
  GoogleGenAI,
  type Part,
} from '@google/genai'
import { type Ask, type Client, defaultModel, type Fetch, replies, toolSchema } from './ask.ts'

/** The Gen AI package of Google. */
export function geminiClient(fetch: Fetch): Client {
  const { models } = new GoogleGenAI({ apiKey: 'anything', httpOptions: { baseUrl: 'http://localhost', fetch } })
  const own = replies<Content[]>()
  /** Names of functions, by the ids of their calls. */
  const called = new Map<string, string>()

  return {
    async ask(ask, stream) {
      const asked = parametersOf(ask)
      const answers = stream
        ? await Array.fromAsync(await models.generateContentStream(asked))
        : [await models.generateContent(asked)]
      const candidates = answers.flatMap((answer) => answer.candidates ?? [])
      const contents = candidates.flatMap(({ content }) => content ?? [])
      const parts = contents.flatMap((content) => content.parts ?? [])
      const reason = candidates.at(-1)?.finishReason
      if (reason !== 'STOP' && reason !== 'MAX_TOKENS') throw new Error(`ended with ${reason}`)
      const calls = parts.flatMap(({ functionCall }) => functionCall ?? [])
      for (const { id = '', name = '' } of calls) called.set(id, name)
      const usage = answers.at(-1)?.usageMetadata
      const { candidatesTokenCount = 0, thoughtsTokenCount = 0, promptTokenCount = 0 } = usage ?? {}
      const { groundingChunks = [] } = candidates.at(-1)?.groundingMetadata ?? {}
      return own.keep(
        {
          text: textOf(parts.filter(({ thought }) => !thought)),
          reasoning: textOf(parts.filter(({ thought }) => thought)),
          calls: calls.map(({ id = '', name = '', args }) => ({ id, name, args: JSON.stringify(args) })),
          ended: reason === 'MAX_TOKENS' ? 'length' : calls.length > 0 ? 'calls' : 'stop',
          usage: usage && { input: promptTokenCount, output: candidatesTokenCount + thoughtsTokenCount },
          sources: groundingChunks.flatMap(({ web }) => web?.uri ?? []),
        },
        contents,
      )
    },
    async count(ask) {
      const { model, contents } = parametersOf(ask)
      return (await models.countTokens({ model, contents })).totalTokens ?? 0
    },
  }

  function parametersOf(ask: Ask): GenerateContentParameters {
    const { choice, tools } = ask
    const functionDeclarations = tools?.map((name) => ({
      name,
      description: `Asks for ${name}`,
      parametersJsonSchema: toolSchema,
    }))
    const functionCallingConfig =
      choice === 'none'
        ? { mode: FunctionCallingConfigMode.NONE }
        : choice && { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: [choice.name] }
    return {
      model: ask.model ?? defaultModel,
      contents: ask.turns.flatMap(contentsOf),
      config: {
        ...(ask.thinks ? { thinkingConfig: { includeThoughts: true } } : {}),
        ...(functionDeclarations || ask.searches
          ? {
              tools: [
                ...(functionDeclarations ? [{ functionDeclarations }] : []),
                ...(ask.searches ? [{ googleSearch: {} }] : []),
              ],
            }
          : {}),
        ...(functionCallingConfig ? { toolConfig: { functionCallingConfig } } : {}),
        ...(ask.schema ? { responseMimeType: 'application/json', responseJsonSchema: ask.schema } : {}),
        ...(ask.stop === undefined ? {} : { stopSequences: [ask.stop] }),
        ...(ask.maxTokens === undefined ? {} : { maxOutputTokens: ask.maxTokens }),
        ...(ask.temperature === undefined ? {} : { temperature: ask.temperature }),
        ...(ask.topP === undefined ? {} : { topP: ask.topP }),
        ...(ask.unheardOf ? { httpOptions: { extraBody: ask.unheardOf } } : {}),
      },
    }
  }

  function contentsOf(turn: Ask['turns'][number]): Content[] {
    if ('reply' in turn) return own.of(turn.reply)
    if ('results' in turn) {
      const parts = turn.results.map(({ id, text, png }) => ({
        functionResponse: {
          id,
          name: called.get(id) ?? '',
          response: { output: text },
          parts: inline('image/png', png),
        },
      }))
      return [{ role: 'user', parts }]
    }
    const parts = [{ text: turn.user }, ...inline('image/png', turn.png), ...inline('application/pdf', turn.pdf)]
    return [{ role: 'user', parts }]
  }
}

function inline(mimeType: string, data: string | undefined): { inlineData: { mimeType: string; data: string } }[] {
  return data === undefined ? [] : [{ inlineData: { mimeType, data } }]
}

function textOf(parts: readonly Part[]): string {
  return parts.map(({ text = '' }) => text).join('')
}
