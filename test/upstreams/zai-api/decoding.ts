import { pipe } from '../../../src/core/batch-stream.ts'
import type { Delta } from '../../../src/core/events.ts'
import type { Tool } from '../../../src/core/request.ts'
import { chain } from '../../../src/core/transform.ts'
import { channels } from '../../../src/prompted-tools/channels.ts'
import { toolCallParser } from '../../../src/prompted-tools/parse.ts'
import { decoder } from '../../../src/upstreams/chat-completions/decode.ts'
import type { DecodeOptions } from '../../../src/upstreams/chat-completions/decoder-state.ts'
import { usualSettings, zaiErrors } from '../../../src/upstreams/zai-api/errors.ts'
import { sseDeltas } from '../../../src/wire/event-stream.ts'
import { manualClock } from '../../support/clock.ts'
import { readAll } from '../../support/read-all.ts'

export const errors = zaiErrors(usualSettings)

export function heardOf(deltas: Delta[]) {
  const calls = new Map<string, { id: string; name: string; arguments: string }>()
  for (const delta of deltas) {
    if (delta.type !== 'tool-call') continue
    const call = calls.get(delta.key) ?? { id: '', name: '', arguments: '' }
    calls.set(delta.key, {
      id: call.id || (delta.id ?? ''),
      name: call.name || (delta.name ?? ''),
      arguments: call.arguments + (delta.arguments ?? ''),
    })
  }
  const of = <T extends Delta['type']>(type: T) =>
    deltas.filter((delta): delta is Extract<Delta, { type: T }> => delta.type === type)
  return {
    reasoning: proseOf(deltas, 'reasoning'),
    text: textOf(deltas),
    calls: [...calls.values()].map((call) => ({ ...call, arguments: JSON.parse(call.arguments) as object })),
    sources: of('server-tool').flatMap(({ tool }) => tool.sources),
    usage: of('usage').at(-1)?.usage,
    finish: of('finish').at(-1)?.reason as string | undefined,
    error: of('error').at(-1)?.error.status,
  }
}

export function textOf(deltas: Delta[]): string {
  return proseOf(deltas, 'text')
}

function proseOf(deltas: Delta[], type: 'text' | 'reasoning'): string {
  return deltas.flatMap((delta) => (delta.type === type && 'text' in delta ? [delta.text] : [])).join('')
}

export async function decoded(bytes: Uint8Array, size: number): Promise<Delta[]> {
  let at = 0
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(at, at + size))
      at += size
    },
  })
  const read = sseDeltas(body, {
    label: 'Z.AI',
    decoder: decoder(optionsWith({})),
    clock: manualClock(),
    signal: new AbortController().signal,
    idleMs: 1000,
  })
  const sorted = chain(
    channels({ tools, scanLimit: 200_000, frames: false, whole: false, empty: errors.empty, annotate() {} }),
    toolCallParser(tools, { scanLimit: 200_000 }),
  )
  const source = pipe(read, sorted)
  return await readAll(source)
}

export const tools: Tool[] = [
  tool('get_weather', { city: { type: 'string' }, unit: { type: 'string' } }),
  tool('bash', { command: { type: 'string' } }),
  tool('search_docs', { query: { type: 'string' } }),
  tool('set_level', { level: { type: 'integer' } }),
  tool('find', { where: { anyOf: [{ type: 'object', properties: { path: { type: 'string' } } }, { type: 'null' }] } }),
]

function tool(name: string, properties: object): Tool {
  return { name, description: '', parameters: { type: 'object', properties } }
}

export function optionsWith(options: Partial<DecodeOptions>): DecodeOptions {
  return { tools, errors, now: () => 0, annotate: () => {}, ...options }
}
