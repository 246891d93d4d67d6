import { parseJson } from '../core/json.ts'
import type {
  AssistantPart,
  ChatRequest,
  Message,
  TextPart,
  Tool,
  ToolCallPart,
  ToolMessage,
  UserPart,
} from '../core/request.ts'

/**
 * Writes tools, tool history and tool choice as text, for an upstream without tools of its own.
 *
 * The result has `tools: []`, `toolChoice: 'auto'`, and only system, user and assistant messages without tool parts.
 * Reasoning in the history is kept. A request without tools and tool history is returned as it is. Calls are requested
 * and shown in the `<tool_call>` tag of the GLM models, because they follow that form best.
 */
export function promptTools(request: ChatRequest): ChatRequest {
  const hasHistory = request.messages.some(isToolMessage)
  if (request.tools.length === 0 && !hasHistory) return request
  const history = hasHistory ? withoutToolMessages(request.messages) : request.messages
  const declared = request.tools.length > 0 && request.toolChoice !== 'none'
  const messages = declared ? instruct(history, request) : history
  return { ...request, messages, tools: [], toolChoice: 'auto' }
}

/**
 * A call in the recommended form. `</` becomes `<\/`, which is the same in JSON, so that no argument can close the tag.
 */
export function renderCall(name: string, args: string): string {
  const call = `{"name":${JSON.stringify(name)},"arguments":${asJson(args)}}`
  return `<tool_call>${call.replaceAll('</', '<\\/')}</tool_call>`
}

function instruct(messages: readonly Message[], request: ChatRequest): Message[] {
  const callInstructions = callInstructionsOf(request)
  return withReminder(
    withInstructions(messages, instructions(request.tools, callInstructions)),
    reminder(callInstructions),
  )
}

function instructions(tools: readonly Tool[], callInstructions: readonly string[]): string {
  const rules = [
    'The arguments are one JSON object that fits the schema. Escape quotes and line breaks inside its strings.',
    'Write the call itself as plain text: not in a code block, not as code, and not in your reasoning.',
    'Several calls may follow one another. Write nothing after the last one: stop there and wait.',
    'The results come in the next user message, one <tool_response> each. Never write a <tool_response> yourself.',
    'Call only tools from the list. When no tool is needed, just answer.',
    ...callInstructions,
  ]
  return `# Tools

You can call the tools below. Each line is one tool: its name, what it does, and the JSON schema of its arguments.

<tools>
${tools.map(renderTool).join('\n')}
</tools>

To call a tool, write:
${exampleCall}

${rules.map((rule) => `- ${rule}`).join('\n')}`
}

const exampleCall = '<tool_call>{"name":"<tool name>","arguments":{"<argument>":"<value>"}}</tool_call>'

function reminder(callInstructions: readonly string[]): string {
  return [
    'To call a tool, write',
    exampleCall,
    'as plain text and stop after the last call.',
    ...callInstructions,
  ].join(' ')
}

function callInstructionsOf({ toolChoice, parallelToolCalls }: ChatRequest): string[] {
  return [
    ...(toolChoice === 'required' ? ['This time you must call a tool; do not answer without one.'] : []),
    ...(typeof toolChoice === 'object' ? [`This time you must call the tool ${toolChoice.name}.`] : []),
    ...(parallelToolCalls ? [] : ['Make at most one call in a reply.']),
  ]
}

function renderTool({ name, description, parameters }: Tool): string {
  return JSON.stringify({ name, description, parameters }).replaceAll('</', '<\\/')
}

function withInstructions(messages: readonly Message[], text: string): Message[] {
  const [first, ...rest] = messages
  if (first?.role === 'system') return [{ role: 'system', text: `${first.text}\n\n${text}` }, ...rest]
  return [{ role: 'system', text }, ...messages]
}

/** Adds a short form of the instructions to the last user turn, because a long history hides the full ones. */
function withReminder(messages: readonly Message[], text: string): Message[] {
  const last = messages.findLastIndex((message) => message.role === 'user')
  return messages.map((message, index) =>
    index === last && message.role === 'user'
      ? { role: 'user', parts: [...message.parts, { type: 'text', text: `\n(${text})` }] }
      : message,
  )
}

function isToolMessage(message: Message): boolean {
  if (message.role === 'tool') return true
  return message.role === 'assistant' && message.parts.some((part) => part.type === 'tool-call')
}

function withoutToolMessages(messages: readonly Message[]): Message[] {
  const rendered: Message[] = []
  const nameOf = new Map<string, string>()
  // The user turn that holds the results of consecutive tool messages.
  let results: UserPart[] | undefined
  for (const message of messages) {
    if (message.role === 'tool') {
      if (!results) {
        results = []
        rendered.push({ role: 'user', parts: results })
      }
      appendResult(results, message, nameOf.get(message.callId))
      continue
    }
    results = undefined
    if (message.role !== 'assistant') {
      rendered.push(message)
      continue
    }
    for (const part of message.parts) if (part.type === 'tool-call') nameOf.set(part.id, part.name)
    rendered.push({ role: 'assistant', parts: withCallsAsText(message.parts) })
  }
  return rendered
}

/** Appends calls to the text before them; reasoning keeps its position. */
function withCallsAsText(parts: readonly AssistantPart[]): AssistantPart[] {
  const rendered: AssistantPart[] = []
  for (const part of parts) {
    const last = rendered.at(-1)
    if (part.type !== 'tool-call') rendered.push(part)
    else if (last?.type === 'text') rendered[rendered.length - 1] = joined(last, part)
    else rendered.push({ type: 'text', text: renderCall(part.name, part.arguments) })
  }
  return rendered
}

function joined(before: TextPart, { name, arguments: args }: ToolCallPart): TextPart {
  return { type: 'text', text: `${before.text}\n${renderCall(name, args)}` }
}

/** Adds a result in its own tags. Images and documents stay parts, between those tags. */
function appendResult(parts: UserPart[], { callId, parts: result, isError }: ToolMessage, name: string | undefined) {
  const attributes = [['id', callId] as const, ...(name === undefined ? [] : [['name', name] as const])]
  const opening = attributes.map(([key, value]) => ` ${key}=${attribute(value)}`).join('')
  append(parts, `<tool_response${opening}${isError ? ' status="error"' : ''}>`)
  for (const part of result) {
    if (part.type === 'text') append(parts, escapeTags(part.text))
    else parts.push(part)
  }
  append(parts, '</tool_response>')
}

function append(parts: UserPart[], line: string): void {
  const last = parts.at(-1)
  if (last?.type === 'text') parts[parts.length - 1] = { type: 'text', text: `${last.text}\n${line}` }
  else parts.push({ type: 'text', text: line })
}

function attribute(value: string): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e')
}

/**
 * Escapes the tags of this format in a result, which may be there by accident or as an attack. They get a backslash
 * after the `<`, or one more if they have some already. The result can then neither close its own tag nor look like a
 * call, and removing one backslash restores it.
 */
function escapeTags(text: string): string {
  return text.replace(/<(\\*\/?(?:tool_calls?|tool_response|function_calls)\b)/gi, '<\\$1')
}

/** The arguments as JSON. The history is the client's: arguments that are not JSON are shown as a string. */
function asJson(text: string): string {
  if (text.trim() === '') return '{}'
  return parseJson(text) === undefined ? JSON.stringify(text) : text
}
