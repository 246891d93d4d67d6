import { asGatewayError, type GatewayError } from './errors.ts'
import type { Delta, StreamEvent } from './events.ts'
import type { AssistantPart, ChatRequest, Message, Tool } from './request.ts'
import type { Transform } from './transform.ts'

/** Names that Z.AI accepts. OpenAI's and Anthropic's clients use dots and slashes too, and up to 128 characters. */
const legal = /^[A-Za-z0-9_-]{1,64}$/
const longest = 64
/**
 * Lengths that are kept of both ends of a long name: the origin of a tool is usually in front, its action at the end.
 */
const headLength = 24
const tailLength = 30

/**
 * The name itself if Z.AI accepts it, otherwise an accepted name derived from it. The result is the same in every
 * request, because prompts that stay the same are cached. `attempt` is the number of derived names that were already
 * taken.
 */
export function legalToolName(name: string, attempt = 0): string {
  if (attempt === 0 && legal.test(name)) return name
  const clean = name.replaceAll(/[^A-Za-z0-9_-]+/g, '_')
  const mark = hash(attempt === 0 ? name : `${name} ${attempt}`)
  const whole = `${clean}_${mark}`
  return whole.length <= longest ? whole : `${clean.slice(0, headLength)}_${mark}_${clean.slice(-tailLength)}`
}

/** Both names of a tool: `name` is offered to the model, `clientName` is the client's own. */
export function namesOf(name: string, clientName: string): Pick<Tool, 'name' | 'clientName'> {
  return name === clientName ? { name } : { name, clientName }
}

/** A request that Z.AI accepts, and what restores the client's tool names in the reply and in errors. */
export interface LegalRequest {
  request: ChatRequest
  /** Stateless. */
  restore?: Transform<Delta, Delta>
  /** For an error that is thrown before the reply begins. */
  restoreError(thrown: unknown): GatewayError
}

/**
 * The request with tool names that Z.AI accepts, in definitions, history and tool choice. Returns `request` itself if
 * all names are legal.
 */
export function withLegalToolNames(request: ChatRequest): LegalRequest {
  const names = legalNames(request)
  if (names.size === 0) return { request, restoreError: asGatewayError }
  const own = new Map([...names].map(([name, sent]) => [sent, name]))
  return {
    request: renamed(request, names),
    restore: restoreToolNames(own),
    restoreError: (thrown) => withNames(own, asGatewayError(thrown)),
  }
}

/** Replaces the tool names that a dialect made up by the client's own names in error messages. */
export interface ClientToolNames {
  inError(error: GatewayError): GatewayError
  /** Stateless. */
  inEvents: Transform<StreamEvent, StreamEvent>
}

/** Returns `undefined` if the model knows every tool by the client's name. */
export function clientToolNames(tools: readonly Tool[]): ClientToolNames | undefined {
  const own = new Map(tools.flatMap(({ name, clientName }) => (clientName === undefined ? [] : [[name, clientName]])))
  if (own.size === 0) return undefined
  return {
    inError: (error) => withNames(own, error),
    inEvents: {
      push(event, out) {
        if (event.type === 'error') withNames(own, event.error)
        out.push(event)
      },
      end() {},
      passthrough: () => true,
    },
  }
}

/** A unique legal name for each illegal name. */
function legalNames({ tools, toolChoice, messages }: ChatRequest): Map<string, string> {
  const all = new Set([
    ...tools.map(({ name }) => name),
    ...(typeof toolChoice === 'object' ? [toolChoice.name] : []),
    ...messages.flatMap((message) => (message.role === 'assistant' ? message.parts.flatMap(nameOf) : [])),
  ])
  const names = new Map<string, string>()
  const taken = new Set([...all].filter((name) => legal.test(name)))
  for (const name of all) {
    if (legal.test(name)) continue
    let attempt = 0
    while (taken.has(legalToolName(name, attempt))) attempt++
    names.set(name, legalToolName(name, attempt))
    taken.add(legalToolName(name, attempt))
  }
  return names
}

function nameOf(part: AssistantPart): string[] {
  return part.type === 'tool-call' ? [part.name] : []
}

function renamed(request: ChatRequest, names: ReadonlyMap<string, string>): ChatRequest {
  const { tools, toolChoice, messages } = request
  const withName = <Named extends { name: string }>(named: Named) => {
    const name = names.get(named.name)
    return name === undefined ? named : { ...named, name }
  }
  return {
    ...request,
    tools: tools.map(withName),
    toolChoice: typeof toolChoice === 'object' ? withName(toolChoice) : toolChoice,
    messages: messages.map((message): Message => {
      if (message.role !== 'assistant') return message
      return { ...message, parts: message.parts.map((part) => (part.type === 'tool-call' ? withName(part) : part)) }
    }),
  }
}

function restoreToolNames(own: ReadonlyMap<string, string>): Transform<Delta, Delta> {
  return {
    push(delta, out) {
      if (delta.type === 'error') withNames(own, delta.error)
      if (delta.type === 'tool-call' && delta.name !== undefined)
        out.push({ ...delta, name: own.get(delta.name) ?? delta.name })
      else out.push(delta)
    },
    end() {},
    passthrough: () => true,
  }
}

/** Replaces whole words only, in one pass, so that a name that was put in is not replaced again. */
function withNames(own: ReadonlyMap<string, string>, error: GatewayError): GatewayError {
  error.message = error.message.replaceAll(/[\w-]+/g, (word) => own.get(word)?.toWellFormed() ?? word)
  return error
}

/** FNV-1a over UTF-16 units, as eight hexadecimal digits: enough to keep the tools of one client apart. */
function hash(text: string): string {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  return (value >>> 0).toString(16).padStart(8, '0')
}
