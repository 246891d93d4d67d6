import type { AssistantPart, Message, ToolCallPart } from './request.ts'

interface MadeCall {
  id: string
  answered: boolean
}

/**
 * The conversation with a unique id and a name for every call, and with each result carrying the id of the call it
 * answers. Other servers and lossy clients leave ids and names out, or repeat them.
 *
 * A result belongs to the nearest earlier turn with an unanswered call of the same id, and there to the first such
 * call. A result without an id answers the next unanswered call. A result that answers no call keeps its id.
 */
export function withCallIds(messages: readonly Message[]): readonly Message[] {
  if (isComplete(messages)) return messages
  const ids = freshIds(messages)
  const named = messages.map((message) =>
    message.role === 'assistant' ? { ...message, parts: message.parts.map((part) => withId(part, ids)) } : message,
  )
  return withAnswers(messages, named, ids)
}

/** Whether nothing has to be changed, as in most conversations: one pass shows it. */
function isComplete(messages: readonly Message[]): boolean {
  const seen = new Set<string>()
  return messages.every((message) => {
    if (message.role === 'tool') return message.callId !== ''
    return callsOf(message).every(({ id, name }) => {
      if (id === '' || name === '' || seen.has(id)) return false
      seen.add(id)
      return true
    })
  })
}

/** The first call with an id keeps it. Later calls with the same id, and calls without one, get an unused id. */
function freshIds(messages: readonly Message[]): { take(id: string): string; fresh(): string } {
  const taken = new Set(
    messages.flatMap((message) => (message.role === 'tool' ? [message.callId] : callsOf(message).map(({ id }) => id))),
  )
  const kept = new Set<string>()
  let last = 0
  const fresh = () => {
    do last++
    while (taken.has(`call_${last}`))
    return `call_${last}`
  }
  return {
    fresh,
    take(id) {
      if (id === '' || kept.has(id)) return fresh()
      kept.add(id)
      return id
    },
  }
}

function withId(part: AssistantPart, ids: { take(id: string): string }): AssistantPart {
  return part.type === 'tool-call' ? { ...part, id: ids.take(part.id), name: part.name || 'unnamed' } : part
}

/** Gives the results their ids. `named` is the same conversation after its calls got their new ids. */
function withAnswers(original: readonly Message[], named: readonly Message[], ids: { fresh(): string }): Message[] {
  const calls = named.map((message) => callsOf(message).map(({ id }) => ({ id, answered: false })))
  const answers = new Map<number, string>()
  // Results with an id come first: only then is it known which calls are still unanswered.
  const byId = new Map<string, CallsWithOneId>()
  for (const [turn, message] of original.entries()) {
    if (message.role === 'tool' && message.callId !== '') {
      const id = byId.get(message.callId)?.take()
      if (id !== undefined) answers.set(turn, id)
    }
    for (const [index, { id }] of callsOf(message).entries()) {
      const waiting = byId.get(id) ?? callsWithOneId()
      byId.set(id, waiting)
      waiting.add(turn, calls[turn]?.slice(index, index + 1) ?? [])
    }
  }
  const all = callsWithOneId()
  return named.map((message, turn) => {
    all.add(turn, calls[turn] ?? [])
    if (message.role !== 'tool') return message
    const known = answers.get(turn)
    if (known !== undefined) return { ...message, callId: known }
    return message.callId === '' ? { ...message, callId: all.take() ?? ids.fresh() } : message
  })
}

interface CallsWithOneId {
  add(turn: number, calls: readonly MadeCall[]): void
  /** The id of the first unanswered call of the newest turn that has one. */
  take(): string | undefined
}

/** Looks at each call once, however many there are. */
function callsWithOneId(): CallsWithOneId {
  const turns: { turn: number; calls: MadeCall[]; next: number }[] = []
  return {
    add(turn, calls) {
      const newest = turns.at(-1)
      if (newest?.turn === turn) newest.calls.push(...calls)
      else if (calls.length > 0) turns.push({ turn, calls: [...calls], next: 0 })
    },
    take() {
      for (let newest = turns.at(-1); newest; newest = turns.at(-1)) {
        const call = newest.calls[newest.next++]
        if (!call) turns.pop()
        else if (!call.answered) {
          call.answered = true
          return call.id
        }
      }
      return undefined
    },
  }
}

function callsOf(message: Message | undefined): ToolCallPart[] {
  return message?.role === 'assistant' ? message.parts.filter((part) => part.type === 'tool-call') : []
}
