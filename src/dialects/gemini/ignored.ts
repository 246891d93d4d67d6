import { ignoredValue } from '../openai/effort.ts'
import { type GeminiBody, type GenerationConfig, generationConfig } from './schema.ts'

/** Options that cannot be honoured, each with a test whether the body asks for it. */
const bodyOptions: readonly [name: string, asks: (body: GeminiBody) => unknown][] = [
  // Z.AI has its own rules for what is unsafe.
  ['safetySettings', ({ safetySettings }) => safetySettings?.length],
  ['serviceTier', ({ serviceTier }) => serviceTier && !/standard|unspecified/i.test(serviceTier)],
  ['store', ({ store }) => store],
]

const configOptions: readonly [name: string, asks: (config: GenerationConfig) => unknown][] = [
  ['topK', ({ topK }) => topK],
  ['seed', ({ seed }) => typeof seed === 'number'],
  ['presencePenalty', ({ presencePenalty }) => presencePenalty],
  ['frequencyPenalty', ({ frequencyPenalty }) => frequencyPenalty],
  ['responseLogprobs', ({ responseLogprobs }) => responseLogprobs],
  ['logprobs', ({ logprobs }) => logprobs],
  ['responseModalities', ({ responseModalities }) => responseModalities?.some((word) => !/^text$/i.test(word))],
]

const knownMimeTypes = new Set(['', 'text/plain', 'application/json'])

export function ignoredOptions(body: GeminiBody): string[] {
  const config: GenerationConfig = body.generationConfig ?? {}
  const { responseMimeType } = config
  const unknown = Object.entries(config).filter(([name, value]) => !(name in generationConfig.properties) && value)
  return [
    ...asked(bodyOptions, body),
    ...[...asked(configOptions, config), ...unknown.map(([name]) => name)].map((name) => `generationConfig.${name}`),
    ...(responseMimeType && !knownMimeTypes.has(responseMimeType)
      ? [ignoredValue('generationConfig.responseMimeType', responseMimeType)]
      : []),
  ]
}

function asked<Options>(options: readonly [string, (of: Options) => unknown][], of: Options): string[] {
  return options.filter(([, asks]) => asks(of)).map(([name]) => name)
}
