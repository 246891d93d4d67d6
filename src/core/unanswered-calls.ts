interface Call {
  id: string
  name: string
}

/** Calls that have no result yet, for APIs whose results may name only the tool. */
export interface UnansweredCalls {
  add(call: Call): void
  /** Removes the first call with this id, or with this name if the id is empty. */
  take(id: string, name: string): Call | undefined
}

/** Each call is found without looking at the others: a conversation may have tens of thousands. */
export function unansweredCalls(): UnansweredCalls {
  const byId = new Map<string, CallQueue>()
  const byName = new Map<string, CallQueue>()
  const answered = new Set<Call>()
  return {
    add(call) {
      addTo(byId, call.id, call)
      addTo(byName, call.name, call)
    },
    take(id, name) {
      const waiting = id === '' ? byName.get(name) : byId.get(id)
      if (waiting === undefined) return undefined
      for (;;) {
        const call = waiting.calls[waiting.next]
        if (call === undefined) return undefined
        waiting.next++
        if (answered.has(call)) continue // by its other name
        answered.add(call)
        return call
      }
    },
  }
}

interface CallQueue {
  calls: Call[]
  /** Index of the first one that was not taken from here. */
  next: number
}

function addTo(waiting: Map<string, CallQueue>, key: string, call: Call): void {
  const known = waiting.get(key)
  if (known) known.calls.push(call)
  else waiting.set(key, { calls: [call], next: 0 })
}
