import type { CompletionBody } from './schema.ts'

/**
 * Options that cannot be honoured, each with a test whether the body asks for it. A value that changes nothing (penalty 0)
 * does not ask for anything.
 */
const unsupportedOptions: readonly [name: string, asks: (body: CompletionBody) => unknown][] = [
  ['seed', ({ seed }) => typeof seed === 'number'],
  ['logit_bias', ({ logit_bias }) => Object.keys(logit_bias ?? {}).length],
  ['frequency_penalty', ({ frequency_penalty }) => frequency_penalty],
  ['presence_penalty', ({ presence_penalty }) => presence_penalty],
]

export function ignoredOptions(body: CompletionBody): string[] {
  return unsupportedOptions.filter(([, asks]) => asks(body)).map(([name]) => name)
}
