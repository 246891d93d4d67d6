import { fromAsync } from '../../src/core/batch-stream.ts'
import type { Delta } from '../../src/core/events.ts'
import type { OpenedReply, Upstream } from '../../src/core/upstream.ts'
import { plainModel } from './replies.ts'

const megabyte = 'x'.repeat(1_000_000)

/** An upstream that violates its interface. */
export function misbehaving(manner: 'flood' | 'huge' | 'throws' | 'rejects' | 'breaks its word') {
  const state = { sentBytes: 0, cancelled: false }
  const limit = manner === 'flood' ? Number.POSITIVE_INFINITY : 50_000_000
  const source = fromAsync<Delta>(
    async () => {
      await new Promise((resolve) => setImmediate(resolve))
      if (state.cancelled || state.sentBytes >= limit) return undefined
      state.sentBytes += megabyte.length
      const text: Delta = { type: 'text', text: megabyte }
      return state.sentBytes >= limit ? [text, { type: 'finish', reason: 'stop' }] : [text]
    },
    () => {
      state.cancelled = true
    },
  )
  const broken = () =>
    fromAsync<Delta>(
      () => Promise.reject(new TypeError('a private detail')),
      () => {},
    )
  const upstream: Upstream = {
    id: 'misbehaving',
    models: async () => [plainModel],
    ignored: () => [],
    open(): Promise<OpenedReply> {
      switch (manner) {
        case 'throws':
          throw new TypeError('a private detail')
        case 'rejects':
          return Promise.reject(new TypeError('a private detail'))
        case 'breaks its word':
          return Promise.resolve({ first: [], rest: broken() })
        default:
          return Promise.resolve({ first: [], rest: source })
      }
    },
    check: async () => {},
  }
  return { upstream, state }
}
