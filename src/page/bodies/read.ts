import { createParser } from 'eventsource-parser'
import type { CapturedBody } from '../../admin/schema/requests.ts'
import { tryDialects } from '../try/dialects.ts'
import type { Part, Progress } from '../try/transcript.ts'

// biome-ignore lint/suspicious/noExplicitAny: bodies of any API, any field of which may be absent
type Data = any

/** The content of a body: one value, or the events of a stream. */
export interface ParsedBody {
  text: string
  /** Present if the body is JSON. */
  json?: Data
  /** Present if the body is a stream; `data` is parsed where it is JSON, and text otherwise. */
  events?: { at: number; event: string | undefined; data: Data }[]
}

export function parseBody({ chunks }: CapturedBody): ParsedBody {
  const text = chunks.map((chunk) => chunk.text).join('')
  const json = parsed(text)
  if (json !== undefined) return { text, json }
  const lines = linesOfJson(chunks)
  if (lines) return { text, events: lines }
  if (!/^(?::|data:|event:|id:|retry:)/m.test(text)) return { text }
  const events: ParsedBody['events'] = []
  let at = 0
  const parser = createParser({ onEvent: ({ event, data }) => events.push({ at, event, data: parsed(data) ?? data }) })
  for (const chunk of chunks) {
    at = chunk.at_ms
    parser.feed(chunk.text)
  }
  return events.length > 0 ? { text, events } : { text }
}

/** One value a line, as an upstream is shown whose stream is not text. */
function linesOfJson(chunks: CapturedBody['chunks']): ParsedBody['events'] {
  const events = chunks.flatMap(({ at_ms, text }) =>
    text
      .split('\n')
      .flatMap((line) => (line.trim() === '' ? [] : [{ at: at_ms, event: undefined, data: parsed(line) }])),
  )
  return events.length > 0 && events.every(({ data }) => data !== undefined) ? events : undefined
}

function parsed(text: string): Data {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** One line of a conversation. */
export interface Line {
  /** A role as the API names it, or `reasoning`, `call`, `result`, `tools`, `end`. */
  who: string
  /** Position among the messages of a request, from 1. */
  index?: number | undefined
  text: string
  /** The name of a tool. */
  name?: string | undefined
  id?: string | undefined
  /** When it began, in ms from the start of the request. */
  at?: number | undefined
  images?: readonly string[]
}

/** The conversation in a body of any API; `undefined` if it is none. */
export function conversationOf({ json, events }: ParsedBody): Line[] | undefined {
  if (events) return linesOfStream(events)
  if (!json) return undefined
  if (Array.isArray(json.choices)) return linesOfChatReply(json)
  if (json.object === 'response' && Array.isArray(json.output)) return json.output.flatMap(linesOfItem)
  if (json.type === 'message' && Array.isArray(json.content))
    return [...linesOfContent(json.content, json.role ?? 'assistant'), end(json.stop_reason)]
  if (json.candidates || (json.message && 'done' in json))
    return linesOfStream([{ at: 0, event: undefined, data: json }])
  if (Array.isArray(json.contents)) return linesOfContents(json)
  if (Array.isArray(json.messages) || json.input !== undefined || typeof json.prompt === 'string')
    return linesOfRequest(json)
  if (json.error) return [{ who: 'error', text: json.error.message ?? JSON.stringify(json.error) }]
  return undefined
}

const end = (reason: unknown): Line => ({ who: 'end', text: String(reason ?? '') })

function linesOfRequest(json: Data): Line[] {
  const system = json.system ?? json.instructions
  const tools: string[] = (json.tools ?? []).map((tool: Data) => tool.function?.name ?? tool.name ?? tool.type)
  const input = typeof json.input === 'string' ? [{ role: 'user', content: json.input }] : json.input
  const messages: Data[] = json.messages ?? input ?? [{ role: 'user', content: json.prompt }]
  return [
    ...(system ? linesOfContent(system, 'system') : []),
    ...(tools.length > 0 ? [{ who: 'tools', text: tools.join(', ') }] : []),
    ...messages.flatMap((message, n) => linesOfMessage(message).map((line) => ({ ...line, index: n + 1 }))),
  ]
}

/** The lines of a request to Google's API. */
function linesOfContents({ systemInstruction, tools = [], contents }: Data): Line[] {
  const names = tools.flatMap((tool: Data) => tool.functionDeclarations?.map(({ name }: Data) => name) ?? [])
  const ofPart = (who: string, part: Data): Line => {
    const { functionCall: call, functionResponse: result, inlineData: image } = part
    if (call) return { who: 'call', name: call.name, id: call.id, text: JSON.stringify(call.args) }
    if (result) return { who: 'result', id: result.id, text: JSON.stringify(result.response) }
    if (image) return { who, text: '', images: [image.mimeType] }
    return { who: part.thought ? 'reasoning' : who, text: part.text ?? JSON.stringify(part) }
  }
  const lines = (role: string, parts: Data[] = []) =>
    parts.map((part) => ofPart(role === 'model' ? 'assistant' : role, part))
  return [
    ...lines('system', systemInstruction?.parts),
    ...(names.length > 0 ? [{ who: 'tools', text: names.join(', ') }] : []),
    ...contents.flatMap(({ role = 'user', parts }: Data, n: number) =>
      lines(role, parts).map((line) => ({ ...line, index: n + 1 })),
    ),
  ]
}

function linesOfMessage(message: Data): Line[] {
  if (message.type && message.type !== 'message' && !message.role) return linesOfItem(message)
  const { role = 'user', content, tool_calls, tool_call_id, reasoning_content } = message
  if (role === 'tool') return [{ who: 'result', id: tool_call_id, text: textOf(content) }]
  return [
    ...(reasoning_content ? [{ who: 'reasoning', text: reasoning_content }] : []),
    // The gateway's own word for it is `parts`.
    ...linesOfContent(content ?? message.parts ?? [], role),
    ...(tool_calls ?? []).map(callLine),
  ]
}

const callLine = (call: Data): Line => ({
  who: 'call',
  name: call.function?.name ?? call.name,
  id: call.id ?? call.call_id,
  text: textOfArguments(call.function?.arguments ?? call.arguments ?? ''),
})

/** Ollama has them as a value. */
const textOfArguments = (args: unknown): string => (typeof args === 'string' ? args : JSON.stringify(args))

/** The lines of an item of the Responses API. */
function linesOfItem(item: Data): Line[] {
  if (item.type === 'function_call') return [callLine(item)]
  if (item.type === 'function_call_output') return [{ who: 'result', id: item.call_id, text: textOf(item.output) }]
  if (item.type === 'reasoning')
    return [{ who: 'reasoning', text: textOf(item.content?.length ? item.content : (item.summary ?? [])) }]
  return linesOfContent(item.content ?? [], item.role ?? item.type)
}

function linesOfContent(content: Data, role: string): Line[] {
  if (typeof content === 'string') return [{ who: role, text: content }]
  if (!Array.isArray(content)) return []
  const lines: Line[] = []
  for (const part of content) {
    const image = part.image_url?.url ?? (part.type === 'input_image' ? part.image_url : undefined)
    if (part.type === 'thinking') lines.push({ who: 'reasoning', text: part.thinking })
    else if (part.type === 'tool_use')
      lines.push({ who: 'call', name: part.name, id: part.id, text: JSON.stringify(part.input) })
    else if (part.type === 'tool_result')
      lines.push({ who: 'result', id: part.tool_use_id, text: textOf(part.content) })
    else if (typeof part.text === 'string') lines.push({ who: role, text: part.text })
    else if (image || part.type === 'image')
      lines.push({ who: role, text: '', images: [String(image ?? part.source?.media_type)] })
    else lines.push({ who: role, text: JSON.stringify(part) })
  }
  return lines
}

function textOf(content: Data): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return content === undefined ? '' : JSON.stringify(content)
  return content.map((part) => part.text ?? JSON.stringify(part)).join('\n')
}

function linesOfChatReply({ choices }: Data): Line[] {
  return choices.flatMap(({ message, text, finish_reason }: Data) => [
    ...(message ? linesOfMessage({ role: 'assistant', ...message }) : [{ who: 'assistant', text: text ?? '' }]),
    end(finish_reason),
  ])
}

/** A stream is decoded as on the Try screen, by the dialect that its first event belongs to. */
function linesOfStream(events: NonNullable<ParsedBody['events']>): Line[] | undefined {
  const sample = events.find(({ data }) => typeof data === 'object')?.data
  if (!sample) return undefined
  if (typeof sample.text === 'string' && (sample.type === 'reasoning' || sample.type === 'text'))
    return linesOfDeltas(events)
  const dialect = tryDialects.find(({ isOwn }) => isOwn(sample))
  const progress: Progress = { parts: [], usage: {} }
  const began = new Map<Part, number>()
  for (const { at, event, data } of events) {
    if (typeof data !== 'object') continue
    if (data.error) return [...linesOf(progress, began), { who: 'error', at, text: data.error.message ?? '' }]
    dialect?.take(progress, event, data, at)
    for (const part of progress.parts) if (!began.has(part)) began.set(part, at)
  }
  return progress.parts.length === 0 && progress.stop === undefined
    ? undefined
    : linesOf(progress, began, events.at(-1)?.at)
}

/** Deltas in the gateway's own words. */
function linesOfDeltas(events: NonNullable<ParsedBody['events']>): Line[] {
  const lines: Line[] = []
  for (const { at, data } of events) {
    if (typeof data.text !== 'string') continue
    const who = data.type === 'text' ? 'assistant' : String(data.type)
    const last = lines.at(-1)
    if (last?.who === who) last.text += data.text
    else lines.push({ who, text: data.text, at })
  }
  return lines
}

function linesOf({ parts, stop }: Progress, began: ReadonlyMap<Part, number>, last?: number): Line[] {
  return [
    ...parts.map((part): Line => {
      const at = began.get(part)
      if (part.type === 'call') return { who: 'call', name: part.name, id: part.id, text: part.args, at }
      return { who: part.type === 'text' ? 'assistant' : 'reasoning', text: part.text, at }
    }),
    ...(stop === undefined ? [] : [{ ...end(stop), at: last }]),
  ]
}
