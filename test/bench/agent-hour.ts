import type { Speech } from './reply-check.ts'

/** An agent at work: every turn sends all that was before, and what the tool it had called gave back. */
export const agentHour = { turns: 60, firstBytes: 80_000, lastBytes: 900_000, tools: 40 } as const

/** The tool that the scripted upstream calls. */
export const calledTool = 'tool_7'

/** The members of a body that hold the conversation, at one turn. What was said before stays word for word the same. */
export function agentRequestAt(turn: number, speech: Speech, question: string): object {
  const { turns, firstBytes, lastBytes } = agentHour
  const toolBytes = JSON.stringify(tools(speech)).length
  const resultBytes = Math.round((lastBytes - firstBytes) / (turns - 1)) - 400
  const exchanges = Array.from({ length: turn }, (_, number) => exchange(number, resultBytes, speech)).flat()
  // The system prompt fills up what the tools leave of the first request.
  const system = prose(firstBytes - toolBytes - 400)
  const ask = { role: 'user', content: question }
  // Agents put what they want now behind the results.
  const messages = [{ role: 'user', content: 'Mend the failing test.' }, ...exchanges, ask]
  return speech === 'messages'
    ? { system: [{ type: 'text', text: system }], tools: tools(speech), messages }
    : { tools: tools(speech), messages: [{ role: 'system', content: system }, ...messages] }
}

function exchange(number: number, bytes: number, speech: Speech): object[] {
  const id = `call_${String(number).padStart(6, '0')}`
  const input = { path: `src/part-${number}/index.ts`, depth: number }
  const said = `Step ${number}: look at the file before changing it.`
  const result = code(bytes, number)
  if (speech === 'messages')
    return [
      {
        role: 'assistant',
        content: [
          { type: 'text', text: said },
          { type: 'tool_use', id, name: calledTool, input },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: result }] },
    ]
  const call = { id, type: 'function', function: { name: calledTool, arguments: JSON.stringify(input) } }
  return [
    { role: 'assistant', content: said, tool_calls: [call] },
    { role: 'tool', tool_call_id: id, content: result },
  ]
}

function tools(speech: Speech): object[] {
  return Array.from({ length: agentHour.tools }, (_, tool) => {
    const name = `tool_${tool}`
    const description = `Number ${tool}. ${prose(900)}`
    const schema = {
      type: 'object',
      properties: {
        path: { type: 'string', description: 'Where to look.' },
        depth: { type: 'integer', minimum: 0, description: 'How far down.' },
        kinds: { type: 'array', items: { type: 'string', enum: ['file', 'folder', 'link'] } },
      },
      required: ['path'],
    }
    return speech === 'messages'
      ? { name, description, input_schema: schema }
      : { type: 'function', function: { name, description, parameters: schema } }
  })
}

function prose(bytes: number): string {
  const words = 'The second reader found the spare key under a loose stone beside the well. '
  return words.repeat(Math.ceil(bytes / words.length)).slice(0, bytes)
}

/** Source text, as results of tools mostly are; its quotes and line breaks count as they stand in JSON. */
function code(bytes: number, number: number): string {
  let text = ''
  for (let line = 1, left = bytes; left > 0; line++) {
    const next = `${line}\texport const value${number}_${line} = read("part-${number}", ${line * 7}) // né\n`
    text += next
    left -= next.length + 5
  }
  return text
}
