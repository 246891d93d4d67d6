/** What a client asks, whatever API it speaks. What an API has no words for is left out there. */
export interface Ask {
  turns: Turn[]
  /** `glm-4.7` without. */
  model?: string
  thinks?: true
  tools?: string[]
  choice?: 'none' | { name: string }
  /** JSON schema of the answer. */
  schema?: Record<string, unknown>
  stop?: string
  maxTokens?: number
  temperature?: number
  topP?: number
  searches?: true
  /** The address of an MCP server, which the client calls `town`. */
  server?: string
  /** The reply it continues, with which the server is to remember the conversation. */
  previous?: Heard
  /** Fields no API has. */
  unheardOf?: Record<string, unknown>
}

export type Turn =
  | { user: string; png?: string; pdf?: string }
  /** Goes back as it came, reasoning and calls included. */
  | { reply: Heard }
  | { results: CallResult[] }

export interface CallResult {
  id: string
  text: string
  png?: string
}

/** What the client got. */
export interface Heard {
  text: string
  reasoning: string
  /** `args` is raw JSON text. */
  calls: { id: string; name: string; args: string }[]
  ended: 'stop' | 'length' | 'calls'
  /** Totals: input with what was cached, output with the reasoning. */
  usage: { input: number; output: number } | undefined
  /** Addresses of the pages the answer rests on. */
  sources: string[]
}

/** A vendor's own package: it reads what we say more strictly than we would. */
export interface Client {
  /** The API has tools of MCP servers. */
  takesServers?: true
  /** Errors: the package's own, for a refusal and for a reply that broke off. */
  ask(ask: Ask, stream: boolean): Promise<Heard>
  /** Tokens a request would cost. Errors: the package's own. */
  count(ask: Ask): Promise<number>
  /** The reply to a batch of this one request. Absent where the API has no batches; so is `inBackground`. */
  inBatch?(ask: Ask): Promise<Heard>
  /** The reply to a request that is polled for. */
  inBackground?(ask: Ask): Promise<Heard>
}

/** In place of the network. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

export const defaultModel = 'glm-4.7'

/** Of every tool. */
export const toolSchema = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] }

export function pngUrl(base64: string): string {
  return `data:image/png;base64,${base64}`
}

export function pdfUrl(base64: string): string {
  return `data:application/pdf;base64,${base64}`
}

/** What a client made of a reply, so that it can send it back. */
export function replies<Own>() {
  const own = new WeakMap<Heard, Own>()
  return {
    keep(received: Heard, reply: Own): Heard {
      own.set(received, reply)
      return received
    },
    of(received: Heard): Own {
      const reply = own.get(received)
      if (reply === undefined) throw new Error('not a reply of this client')
      return reply
    },
  }
}
