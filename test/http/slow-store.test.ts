import { describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { createLimits } from '../../src/http/limits.ts'
import { cutShort } from '../../src/http/shutdown.ts'
import { createResponseStore, type ResponseStore } from '../../src/store/responses.ts'
import { gatewayApp, startGateway, until } from '../support/gateway.ts'
import { clientOf, plain, storeLimits, upstream } from './storing.ts'

describe('a store that takes its time', () => {
  /** Keeps what it is given once `release` is called. */
  function slowStore(): { store: ResponseStore; asked: () => boolean; release: () => void } {
    const memory = createResponseStore({ ...storeLimits, warn() {} })
    const { promise, resolve } = Promise.withResolvers<void>()
    let asked = false
    const put: ResponseStore['put'] = async (owner, response) => {
      asked = true
      await promise
      await memory.put(owner, response)
    }
    return { store: { ...memory, put }, asked: () => asked, release: resolve }
  }

  test.each([false, true])('is waited for before the reply is over (stream: %p)', async (stream) => {
    const { store, asked, release } = slowStore()
    const slow = startGateway([upstream], { store })
    let isOver = false
    const reply = (
      stream
        ? clientOf(slow)
            .responses.stream({ ...plain, input: 'Hello' })
            .finalResponse()
        : clientOf(slow).responses.create({ ...plain, input: 'Hello' })
    ).then((response) => {
      isOver = true
      return response
    })
    await until(asked, 'the reply is handed to the store')
    expect(isOver).toBe(false)
    release()
    const { id } = await reply
    expect((await clientOf(slow).responses.retrieve(id)).id).toBe(id)
    await slow.stop()
  })

  test('does not cut a stream that is complete when the gateway is shut down', async () => {
    const { store, asked } = slowStore()
    const slow = startGateway([upstream], { store })
    const reply = clientOf(slow)
      .responses.stream({ ...plain, input: 'Hello' })
      .finalResponse()
    await until(asked, 'the reply is handed to the store')
    const stopping = slow.stop(1)
    expect(await reply).toMatchObject({ status: 'completed' })
    await stopping
    expect(slow.lines.filter((line) => line.includes('error'))).toEqual([])
  })

  test('does not make a failure of a whole reply when the gateway is shut down', async () => {
    const { store, asked, release } = slowStore()
    const lines: string[] = []
    const limits = createLimits({ maxConcurrent: 10, maxMessages: 10 }, systemClock)
    const app = gatewayApp([upstream], { store }, lines, limits)
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ ...plain, input: 'Hello' })
    const reply = app.handle(new Request('http://localhost/v1/responses', { method: 'POST', headers, body }))
    await until(asked, 'the reply is handed to the store')
    for (const record of [...limits.running]) record.end?.(cutShort())
    release()
    expect(await (await reply).json()).toMatchObject({ status: 'completed' })
    expect(lines.filter((line) => line.includes('error'))).toEqual([])
  })
})
