import type { ClientHome } from '../client-home.ts'

/** What a client needs to know: the address of the gateway, its key and its models. */
export interface ClientTarget {
  /** `http://127.0.0.1:8080` */
  url: string
  key: string
  models: readonly TargetModel[]
  /** The model for the main work. */
  primary: TargetModel
  /** The model for titles and summaries. */
  small: TargetModel
  /** The user has configured a model, which overrides the choice that the client remembers. */
  named: boolean
  /** Where the client finds the file of its setup; absent where it was not written. */
  file?: string
}

export interface TargetModel {
  id: string
  contextTokens?: number
  maxOutputTokens?: number
  /** Accepted values for the reasoning effort, lowest first. */
  efforts?: readonly string[]
  /** Kinds of content that a message may hold: `text`, `image`, `video`, `file`. */
  input?: readonly string[]
  /** Dollars per million tokens. */
  price?: Record<'input' | 'output' | 'cached', number | undefined>
}

/** One environment variable for a client. `undefined` as value unsets it. `why` is shown to the user. */
export interface Variable {
  name: string
  value: string | undefined
  why: string
}

/**
 * The evidence for a setup: a client that was run against the gateway, or a document and the day it was read, such as
 * `2026-11-30`.
 */
export type ClientSource = { ran: string } | { read: string; at: string }

/** How one client is set up. It has variables, a text for a file, or a form; `snippet` and `form` come before variables. */
export interface ClientSetup {
  /** The name that its makers give it: `Claude Code`. */
  label: string
  source: ClientSource
  /** What the user has to know beside the settings. */
  note?: string
  /** The endpoints for Anthropic's clients may have a key of their own. */
  usesAnthropicKey?: true
  variables?(target: ClientTarget): Variable[]
  /** Arguments to insert before those of the user, unless those begin with one of `commands`. */
  args?(target: ClientTarget): string[]
  /** Commands of the client that know none of `args`. */
  commands?: readonly string[]
  /** Text for the client's own configuration file, or for a program. */
  snippet?: {
    file: string
    text(target: ClientTarget): string
    /** The variable that the client reads the key from; '' where the text holds the key. Default: `ZAI2API_KEY`. */
    key?: string
  }
  /** Fields that the user fills in: where they are, and each label with its value. */
  form?: { where: string; fields(target: ClientTarget): Record<string, string> }
  /** A file that the settings name. It is written into the state folder, anew at each start. */
  stateFile?: {
    name: string
    text(target: ClientTarget): string
    /** Without it the client would send its requests to another server. */
    isNeeded?: true
  }
  /** Settings for a home of its own. */
  home?: ClientHome
}

export const keyVariable = 'ZAI2API_KEY'

/** In tokens: the window assumed for a model whose own is unknown. Every model here has at least this much. */
const smallestWindow = 128_000

export function windowOf({ contextTokens = smallestWindow }: TargetModel): number {
  return contextTokens
}

export function seesImages({ input = [] }: TargetModel): boolean {
  return input.includes('image')
}

/** Text with quotes, as JSON, YAML, TOML, Python and JavaScript all read it. */
export const quoted: (text: string) => string = JSON.stringify

export function indented(value: unknown): string {
  return JSON.stringify(value, undefined, 2)
}

/** The day on which the documents of all setups here were last read. */
export const readOn = '2026-11-30'
