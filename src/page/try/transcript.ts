/** The conversation so far, independent of the dialect. */
export type Turn = UserTurn | ModelTurn

export interface UserTurn {
  by: 'user'
  text: string
  images: readonly AttachedImage[]
}

export interface AttachedImage {
  name: string
  bytes: number
  /** `data:image/png;base64,…` */
  url: string
}

export interface ModelTurn {
  by: 'model'
  model: string
  parts: Part[]
}

export type Part =
  | { type: 'reasoning'; text: string; ms: number }
  | { type: 'text'; text: string }
  | { type: 'call'; id: string; name: string; args: string; result?: string }

export interface Usage {
  input?: number | undefined
  cached?: number | undefined
  output?: number | undefined
  reasoning?: number | undefined
}

/** What a stream has sent so far. */
export interface Progress {
  parts: Part[]
  usage: Usage
  stop?: string | undefined
}

export type Thinking = 'default' | 'none' | 'low' | 'medium' | 'high'

export interface TrySettings {
  model: string
  thinking: Thinking
  /** None leaves it to the gateway. */
  maxTokens: number | undefined
  tool: boolean
}

/** A tool that runs in the page, so that a call and its result can be tried. */
export const clockTool = {
  name: 'current_time',
  description: 'The date and time where the user is.',
  parameters: { type: 'object', properties: {}, required: [] },
}

export const runClock = (): string =>
  JSON.stringify({ time: new Date().toISOString(), zone: Intl.DateTimeFormat().resolvedOptions().timeZone })
