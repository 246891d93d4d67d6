import { afterEach, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { misbehaving } from '../support/misbehaving.ts'
import { chat, gatewayOf, post, quickDemo, says, stopGateways, untilIdle } from './sockets.ts'

afterEach(stopGateways)

describe('what fails inside', () => {
  test.each(['throws', 'rejects', 'breaks its word'] as const)(
    'an upstream that %s',
    async (manner) => {
      const { upstream } = misbehaving(manner)
      const gateway = gatewayOf({}, upstream)
      for (const stream of [false, true]) {
        const reply = await post(gateway, chat, { ...says('Go'), stream })
        const text = await reply.text().catch(() => '')
        expect(text).not.toContain('[DONE]')
        expect(text).not.toContain('a private detail')
      }
      await untilIdle(gateway)
      expect(gateway.lines.filter((line) => line.includes('"error":"internal"'))).toHaveLength(2)
      expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
    },
    20_000,
  )

  /** Starts a server that leaves something behind with each call, and gathers what it says. */
  async function stray(what: 'rejection' | 'throw') {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, '../support', 'stray.ts'), what], {
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const reader = child.stdout.getReader()
    const url = new TextDecoder().decode((await reader.read()).value).trim()
    const ask = () => fetch(url + chat, { method: 'POST', body: JSON.stringify({ ...says('Hi'), stream: true }) })
    return { child, ask, log: new Response(child.stderr).text() }
  }

  test('a rejected promise that nobody listens to is told, and the server goes on', async () => {
    const { child, ask, log } = await stray('rejection')
    for (let attempt = 0; attempt < 3; attempt++) expect(await (await ask()).text()).toEndWith('data: [DONE]\n\n')
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
    expect((await log).split('a promise was rejected and nobody listened')).toHaveLength(4)
  }, 20_000)

  test('a thrown error that nobody catches ends the server, once the answers under way are out', async () => {
    const { child, ask, log } = await stray('throw')
    const answers = await Promise.all([ask(), ask()])
    for (const answer of answers) expect(await answer.text()).toEndWith('data: [DONE]\n\n')
    expect(await child.exited).toBe(1)
    expect((await log).split('an error was thrown and nobody caught it')).toHaveLength(2)
  }, 20_000)

  test('a gauge that throws spoils one page', async () => {
    const gauges = () => {
      throw new Error('a private detail')
    }
    const gateway = gatewayOf({}, { ...quickDemo(), gauges })
    const page = await fetch(`${gateway.url}/metrics`)
    expect(page.status).toBe(500)
    expect(await page.text()).not.toContain('a private detail')
    expect((await post(gateway, chat, says('Hi'))).status).toBe(200)
  })
})
