import { ignoredValue } from '../openai/effort.ts'
import { fieldsOf } from '../openai/json-fields.ts'
import { type GeminiBody, type GenerationConfig, generationConfig } from './schema.ts'

/** Options that cannot be honoured, each with a test whether the body asks for it. */
const unsupportedOptions: readonly [name: string, asks: (body: GeminiBody) => unknown][] = [
  // Z.AI has its own rules for what is unsafe.
  ['safetySettings', ({ safetySettings }) => safetySettings?.length],
  ['serviceTier', ({ serviceTier }) => serviceTier && !/standard|unspecified/i.test(serviceTier)],
  ['store', ({ store }) => store],
  [
    'toolConfig.functionCallingConfig.streamFunctionCallArguments',
    ({ toolConfig }) => fieldsOf(toolConfig?.functionCallingConfig).streamFunctionCallArguments,
  ],
]

const unsupportedConfig: readonly [name: string, asks: (config: GenerationConfig) => unknown][] = [
  ['topK', ({ topK }) => topK],
  ['seed', ({ seed }) => typeof seed === 'number'],
  ['presencePenalty', ({ presencePenalty }) => presencePenalty],
  ['frequencyPenalty', ({ frequencyPenalty }) => frequencyPenalty],
  ['responseLogprobs', ({ responseLogprobs }) => responseLogprobs],
  ['logprobs', ({ logprobs }) => logprobs],
  ['responseModalities', ({ responseModalities }) => responseModalities?.some((word) => !/^text$/i.test(word))],
]

const knownMimeTypes = new Set(['', 'text/plain', 'application/json', 'text/x.enum'])

export function ignoredOptions(body: GeminiBody): string[] {
  const config: GenerationConfig = body.generationConfig ?? {}
  const formats = [config.responseFormat ?? []].flat().map(fieldsOf)
  const mimeTypes = [
    ['responseMimeType', config.responseMimeType],
    ...formats.map(({ text }) => ['responseFormat.text.mimeType', fieldsOf(text).mimeType] as const),
  ] as const
  const unknown = Object.entries(config).filter(([name, value]) => !(name in generationConfig.properties) && value)
  return [
    ...namesSet(unsupportedOptions, body),
    ...[...namesSet(unsupportedConfig, config), ...unknown.map(([name]) => name)].map(
      (name) => `generationConfig.${name}`,
    ),
    ...mimeTypes
      .filter(([, type]) => type && !knownMimeTypes.has(String(type)))
      .map(([name, type]) => ignoredValue(`generationConfig.${name}`, type)),
    // Sounds, images and films.
    ...formats
      .flatMap((format) => Object.entries(format).filter(([name, value]) => name !== 'text' && value))
      .map(([name]) => `generationConfig.responseFormat (${name})`),
  ]
}

function namesSet<Options>(options: readonly [string, (of: Options) => unknown][], of: Options): string[] {
  return options.filter(([, asks]) => asks(of)).map(([name]) => name)
}
