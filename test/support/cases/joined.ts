/**
 * The reply that a client puts together from a stream, in the shape of a whole one; `{ error }` for one that failed.
 *
 * Throws for a stream that does not end as its dialect ends.
 */
export function joinedReply(path: string, stream: string): unknown {
  const events = eventsOf(stream)
  const failed = events.find((event) => isRecord(event) && isRecord(event.error))
  if (failed !== undefined && !path.endsWith('/responses')) return failed
  if (path.endsWith('/messages')) return messageOf(events)
  if (path.endsWith('/responses')) return responseOf(events)
  return completionOf(events, stream)
}

function eventsOf(stream: string): unknown[] {
  return stream.split('\n').flatMap((line) => {
    const data = line.startsWith('data: ') ? line.slice('data: '.length) : '[DONE]'
    return data === '[DONE]' ? [] : [JSON.parse(data)]
  })
}

/** Chunks of Chat Completions and Completions: texts and arguments grow, all else is said once. */
function completionOf(events: readonly unknown[], stream: string): unknown {
  if (!stream.trimEnd().endsWith('data: [DONE]')) throw new Error(`no [DONE] at the end: ${stream.slice(-300)}`)
  const whole: Record<string, unknown> = {}
  for (const event of events) if (isRecord(event)) grow(whole, event)
  const choices = listOf(whole.choices).map((choice) => {
    if (!isRecord(choice) || choice.delta === undefined) return choice
    const { delta, ...rest } = choice
    return { ...rest, message: delta }
  })
  return { ...whole, choices }
}

const growing = new Set(['content', 'reasoning_content', 'reasoning', 'refusal', 'text', 'arguments', 'input'])

function grow(whole: Record<string, unknown>, piece: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(piece)) {
    const before = whole[key]
    if (typeof value === 'string' && typeof before === 'string' && growing.has(key)) whole[key] = before + value
    else if (Array.isArray(value)) whole[key] = grownList(listOf(before), value)
    else if (isRecord(value)) {
      const member = isRecord(before) ? before : {}
      grow(member, value)
      whole[key] = member
    } else if (value !== null || before === undefined) whole[key] = value
  }
}

/** Items with an index have their place by it; all others are new ones. */
function grownList(before: readonly unknown[], items: readonly unknown[]): unknown[] {
  const list = [...before]
  for (const item of items) {
    const index = isRecord(item) && typeof item.index === 'number' ? item.index : list.length
    const there = list[index]
    if (isRecord(there) && isRecord(item)) grow(there, item)
    else list[index] = isRecord(item) ? grown(item) : item
  }
  return list
}

function grown(item: Record<string, unknown>): Record<string, unknown> {
  const fresh: Record<string, unknown> = {}
  grow(fresh, item)
  return fresh
}

const deltaField: Record<string, string> = {
  text_delta: 'text',
  thinking_delta: 'thinking',
  signature_delta: 'signature',
}

function messageOf(events: readonly unknown[]): unknown {
  let message: Record<string, unknown> = {}
  const blocks: Record<string, unknown>[] = []
  const inputs: string[] = []
  for (const event of events) {
    if (!isRecord(event)) continue
    const index = Number(event.index)
    const delta = isRecord(event.delta) ? event.delta : {}
    const block = blocks[index]
    if (event.type === 'message_start' && isRecord(event.message)) message = event.message
    else if (event.type === 'content_block_start' && isRecord(event.content_block))
      blocks[index] = { ...event.content_block }
    else if (event.type === 'content_block_delta' && block) {
      const field = deltaField[String(delta.type)]
      if (field !== undefined) block[field] = `${block[field] ?? ''}${delta[field]}`
      else if (delta.type === 'input_json_delta') inputs[index] = `${inputs[index] ?? ''}${delta.partial_json}`
      else if (delta.type === 'citations_delta') block.citations = [...listOf(block.citations), delta.citation]
    } else if (event.type === 'content_block_stop' && block && inputs[index]) block.input = JSON.parse(inputs[index])
    else if (event.type === 'message_delta') {
      const usage = { ...(isRecord(message.usage) ? message.usage : {}), ...(isRecord(event.usage) ? event.usage : {}) }
      const { context_management } = event
      message = { ...message, ...delta, usage, ...(context_management ? { context_management } : {}) }
    }
  }
  const last = events.at(-1)
  if (!isRecord(last) || last.type !== 'message_stop') throw new Error('no message_stop at the end')
  return { ...message, content: blocks }
}

function responseOf(events: readonly unknown[]): unknown {
  const last = events.at(-1)
  if (!isRecord(last)) throw new Error('no event')
  if (last.type === 'error') return last
  if (!/^response\.(?:completed|incomplete|failed)$/.test(String(last.type))) throw new Error(`ends in ${last.type}`)
  return last.response
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
