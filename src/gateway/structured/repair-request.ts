import type { ChatRequest } from '../../core/request.ts'

/**
 * A request for a corrected answer. It keeps the output format, so the model gets the schema again. Tools stay declared,
 * because the conversation may mention them, but must not be called.
 */
export function repairRequest(request: ChatRequest, answer: string, violations: readonly string[]): ChatRequest {
  const list = violations.map((violation) => `- ${violation}`)
  const instruction = [
    'Your last answer is not the JSON that was asked for:',
    ...list,
    'Answer again with the corrected JSON value and nothing else: no words before or after it, no code fence.',
  ].join('\n')
  return {
    ...request,
    messages: [
      ...request.messages,
      ...(answer.trim() === ''
        ? []
        : [{ role: 'assistant' as const, parts: [{ type: 'text' as const, text: answer }] }]),
      { role: 'user', parts: [{ type: 'text', text: instruction }] },
    ],
    toolChoice: 'none',
    reasoning: { mode: 'off' },
    search: false,
  }
}
