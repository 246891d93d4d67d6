import { type LoadedConfig, loadConfig } from '../../src/config/load.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { eventStream } from '../support/chat-zai.ts'
import { chunkText } from '../support/zai-api.ts'

export const cleanups: (() => unknown)[] = []

export async function cleanUp() {
  for (const clean of cleanups.splice(0).reverse()) await clean()
}

export function loadedFrom(env: Record<string, string>): LoadedConfig {
  return loadConfig(new Map(), { env, cwd: '/nowhere', readFile: () => undefined }, upstreamKinds)
}

const frame = (facts: Parameters<typeof chunkText>[0]) => new TextEncoder().encode(`data: ${chunkText(facts)}\n\n`)

const hello = { model: 'glm-4.7', messages: [{ role: 'user', content: 'Hello' }] }
export const post = (body: object) => ({ method: 'POST', body: JSON.stringify({ ...hello, ...body }) })

/** A response that continues when the test says so. */
export function heldAnswer(signal: Promise<void>): Response {
  return eventStream(
    new ReadableStream({
      async start(controller) {
        controller.enqueue(frame({ delta: { content: 'First' } }))
        await signal
        controller.enqueue(frame({ delta: { content: ' last.' }, finish_reason: 'stop' }))
        controller.close()
      },
    }),
  )
}
