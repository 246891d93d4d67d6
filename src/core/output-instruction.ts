import type { ChatRequest } from './request.ts'

const formAlone = 'no words before or after it, no code fence.'

/**
 * The instruction for the required output format; `undefined` if any text will do. With tools it is limited to the
 * final answer: an instruction about every reply would keep the model from calling tools.
 */
export function outputInstruction({ output }: Pick<ChatRequest, 'output'>, callsTools: boolean): string | undefined {
  if (output.type === 'text') return undefined
  const instruction = callsTools
    ? `Call tools as they are needed. The final answer, when no call is needed any more, is one JSON value and nothing else: ${formAlone}`
    : `Answer with one JSON value and nothing else: ${formAlone}`
  const meaning = output.description === undefined ? '' : ` It is this: ${output.description}`
  if (output.schema === undefined) return instruction + meaning
  return `${instruction}${meaning} It must be valid against this JSON schema:\n${JSON.stringify(output.schema)}`
}
