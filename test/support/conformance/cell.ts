import { expect } from 'bun:test'
import { reusableApp } from '../gateway.ts'
import { replyFaults } from '../sdk-types/replies.ts'
import type { Ask, Client, Fetch, Heard } from './ask.ts'
import { type Backend, backends } from './backends.ts'
import { chatClient } from './chat.ts'
import { geminiClient } from './gemini.ts'
import { messagesClient } from './messages.ts'
import { ollamaClient } from './ollama.ts'
import { responsesClient } from './responses.ts'

const clients = {
  'openai-chat': chatClient,
  'anthropic-messages': messagesClient,
  'openai-responses': responsesClient,
  gemini: geminiClient,
  'ollama-chat': ollamaClient,
} satisfies Record<string, (fetch: Fetch) => Client>

export type DialectId = keyof typeof clients
export type UpstreamId = keyof typeof backends

/** One combination a feature is tried in: a client, the gateway, an upstream. */
export interface Combination {
  dialect: DialectId
  upstream: UpstreamId
}

export const combinations: readonly Combination[] = (
  ['openai-chat', 'anthropic-messages', 'openai-responses', 'gemini', 'ollama-chat'] as const
).flatMap((dialect) => (['zai-api', 'zai-web'] as const).map((upstream) => ({ dialect, upstream })))

/** Servers on loopback that the gateway may use. */
export const servers: string[] = []

export interface Cell extends Pick<Backend, 'say' | 'told' | 'asked'>, Combination {
  stream: boolean
  ask(ask: Ask): Promise<Heard>
  count(ask: Ask): Promise<number>
  /** Errors: also where the API has no such thing, as for `inBackground`. */
  inBatch(ask: Ask): Promise<Heard>
  inBackground(ask: Ask): Promise<Heard>
}

const apps = reusableApp({ maxBodyBytes: 10_000_000, mcp: { rules: servers } })

/** The whole gateway between the client and the upstream, new for every try, without a socket. */
export function cellAt({ dialect, upstream }: Combination, stream: boolean): Cell {
  const backend = backends[upstream]()
  const app = apps.inFrontOf([backend.upstream])
  const client = clients[dialect](async (url, init) => {
    const reply = await app.handle(new Request(url, init))
    expect(replyFaults(new URL(String(url)).pathname, await reply.clone().text())).toEqual([])
    return reply
  })
  return {
    ...{
      ...backend,
      dialect,
      upstream,
      stream,
      ask: (ask) => (ask.server && !client.takesServers ? notThere() : client.ask(ask, stream)),
      count: client.count,
    },
    ...{ inBatch: client.inBatch ?? notThere, inBackground: client.inBackground ?? notThere },
  }
}

async function notThere(): Promise<never> {
  throw new Error('the API has no such thing')
}
