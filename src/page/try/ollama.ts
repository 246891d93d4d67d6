import { addText, argumentsOf, bearer, calls, dataOf, type TryDialect, textOf } from './dialect.ts'
import { clockTool } from './transcript.ts'

/** Ollama's chat API: an event a line, calls come whole, and a result names its tool. */
export const ollama: TryDialect = {
  id: 'ollama',
  label: 'Ollama',
  path: () => '/api/chat',
  isLines: true,
  keyHeader: bearer,
  headers: {},
  body: (turns, { model, thinking, maxTokens, tool }) => ({
    model,
    stream: true,
    ...(thinking === 'default' ? {} : { think: thinking === 'none' ? false : thinking }),
    ...(maxTokens === undefined ? {} : { options: { num_predict: maxTokens } }),
    ...(tool ? { tools: [{ type: 'function', function: clockTool }] } : {}),
    messages: turns.flatMap((turn): object[] => {
      if (turn.by === 'user') {
        const images = turn.images.map(({ url }) => dataOf(url).base64)
        return [{ role: 'user', content: turn.text, ...(images.length > 0 ? { images } : {}) }]
      }
      const made = calls(turn)
      const tool_calls = made.map(({ name, args }) => ({ function: { name, arguments: argumentsOf(args) } }))
      return [
        { role: 'assistant', content: textOf(turn), ...(made.length > 0 ? { tool_calls } : {}) },
        ...made.map(({ name, result = '' }) => ({ role: 'tool', tool_name: name, content: result })),
      ]
    }),
  }),
  isOwn: (event) => Boolean(event.message) && 'done' in event,
  take(progress, _event, data, at) {
    const { message, done, done_reason, prompt_eval_count, eval_count } = data
    addText(progress, 'reasoning', message?.thinking, at)
    addText(progress, 'text', message?.content, at)
    for (const { id = '', function: called } of message?.tool_calls ?? [])
      progress.parts.push({ type: 'call', id, name: called.name, args: JSON.stringify(called.arguments ?? {}) })
    if (!done) return
    progress.stop = done_reason
    progress.usage = { input: prompt_eval_count, output: eval_count }
  },
}
