import { afterEach, describe, expect, test } from 'bun:test'
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import type { RunningGateway } from '../support/gateway.ts'
import { chat, gatewayOf, says, stopGateways } from './sockets.ts'

afterEach(stopGateways)

describe('a packed body', () => {
  const zeros = new Uint8Array(128_000_000)
  const brotli = (data: string | Uint8Array) =>
    brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })
  const packings = [
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotli],
    ['zstd', zstdCompressSync],
    ['GZIP', gzipSync],
  ] as const
  const packed = (gateway: RunningGateway, encoding: string, body: Uint8Array<ArrayBuffer>) =>
    fetch(gateway.url + chat, { method: 'POST', body, headers: { 'content-encoding': encoding } })

  test.each(packings)('is unpacked: %s', async (encoding, pack) => {
    const reply = await packed(gatewayOf(), encoding, new Uint8Array(pack(JSON.stringify(says('Hi')))))
    expect(await reply.json()).toMatchObject({ object: 'chat.completion' })
  })

  test.each(packings)('that is a bomb is refused before it is large: %s', async (encoding, pack) => {
    const bomb = new Uint8Array(pack(zeros))
    Bun.gc(true)
    const gateway = gatewayOf({ maxBodyBytes: 4_000_000 })
    expect(bomb.length).toBeLessThan(4_000_000)
    const before = process.memoryUsage.rss()
    const reply = await packed(gateway, encoding, bomb)
    expect(reply.status).toBe(413)
    expect(await reply.json()).toMatchObject({ error: { code: 'request_too_large' } })
    expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000)
  })

  test.each([
    ['something else is 400', 'gzip', 400, 'invalid_encoding'],
    ['a packing nobody knows is 415', 'compress', 415, 'unsupported_encoding'],
    ['two packings are 415', 'gzip, br', 415, 'unsupported_encoding'],
  ])('%s', async (_name, encoding, status, code) => {
    const reply = await packed(gatewayOf(), encoding, new TextEncoder().encode('{"not":"packed"}'))
    expect(reply.status).toBe(status)
    expect(await reply.json()).toMatchObject({ error: { code } })
  })
})
