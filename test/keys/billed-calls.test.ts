import { afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { createServer } from 'node:net'
import { until } from '../support/gateway.ts'
import { chunk, lastChunk } from '../support/raw-upstream.ts'
import {
  answering,
  begins,
  closeAll,
  closing,
  countPrompt,
  countText,
  house,
  playing,
  promptTokens,
  reasoning,
  usage,
  words,
} from './billing.ts'

afterEach(closeAll)
beforeAll(countPrompt)

describe('a call', () => {
  test('that is refused costs nothing', async () => {
    const { post, spent, records } = await house([
      async (line) => {
        const body = JSON.stringify({ error: { code: '1214', message: 'no' } })
        await line.write(
          `HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        )
        line.close()
      },
    ])
    expect((await post({})).status).toBe(400)
    expect(await spent()).toBe(0)
    expect(records.at(-1)?.usage).toBeUndefined()
  })

  test('that is refused in its stream costs nothing', async () => {
    const error = chunk(`data: ${JSON.stringify({ error: { code: '1214', message: 'no' } })}\n\n`) + lastChunk
    const { post, spent } = await house([
      async (line) => {
        await begins(line)
        await line.write(error)
        line.close()
      },
    ])
    expect((await post({})).status).toBe(400)
    expect(await spent()).toBe(0)
  })

  test('whose client leaves before it is connected costs nothing', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    closing.push(() => silent.close())
    const address = silent.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    let connected = 0
    silent.on('connection', (socket) => {
      connected++
      socket.on('error', () => {})
      closing.push(() => socket.destroy())
    })
    // Nobody answers the handshake, so the request is never sent.
    const { post, leave, spent } = await house([], { origin: `https://127.0.0.1:${address.port}` })
    const left = post({}).catch((error) => error.name)
    await until(() => connected > 0, 'a connection')
    leave()
    expect(await left).toBe('AbortError')
    expect(await spent()).toBe(0)
  })

  test('whose client leaves before it is answered has had its prompt read', async () => {
    const { post, upstream, leave, spent } = await house([() => {}])
    const left = post({}).catch((error) => error.name)
    await until(() => upstream.asked() > 0, 'the request')
    leave()
    expect(await left).toBe('AbortError')
    expect(await spent()).toBe(promptTokens)
  })

  test('that reports its usage in the middle and then breaks off costs that and what came behind it', async () => {
    const { post, spent } = await house([
      playing(
        [...answering(words(100)), { delta: {}, usage: usage(100, 250) }, ...answering(words(50, 100))],
        'breaks off',
      ),
    ])
    expect(await (await post({ stream: true })).text()).toContain('upstream_truncated')
    expect(await spent()).toBe(350 + countText(words(50, 100).join('')))
  })

  test('counts against the tokens of a minute as it was billed', async () => {
    const { post, spent } = await house([playing([...reasoning(words(300)), ...answering(['END'])], 'goes on')], {
      key: { tpm: 500 },
    })
    const headers = { 'x-thinking-processing': 'strip' }
    await (await post({ stream: true, stop: ['END'] }, headers)).text()
    expect(await spent()).toBeGreaterThan(500)
    expect((await post({})).status).toBe(429)
  })
})
