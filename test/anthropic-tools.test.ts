import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Anthropic from '@anthropic-ai/sdk'
import { BetaAbstractComputerToolset20260801 } from '@anthropic-ai/sdk/helpers/beta/toolsets'
import { BetaLocalFilesystemMemoryTool, betaMemoryTool } from '@anthropic-ai/sdk/tools/memory/node'
import { systemClock } from '../src/async/system-clock.ts'
import { demo } from '../src/upstreams/demo/index.ts'
import { startGateway } from './support/gateway.ts'

// The SDK's own tools, run by its own runner, over a listening server.
const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
const folder = await mkdtemp(join(tmpdir(), 'memory-'))
afterAll(async () => {
  await gateway.stop()
  await rm(folder, { recursive: true })
})

const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'anything', maxRetries: 0 })
const ask = (content: string) => ({
  model: 'GLM-4.5',
  max_tokens: 1000,
  messages: [{ role: 'user' as const, content }],
})

describe.each([false, true])('with stream %p', (stream) => {
  test('the memory helper keeps what the model writes', async () => {
    const memory = betaMemoryTool(await BetaLocalFilesystemMemoryTool.init(join(folder, String(stream))))
    const note = { command: 'create', path: '/memories/notes.md', file_text: 'Oslo is cold.\n' }
    const runner = anthropic.beta.messages.toolRunner({
      ...ask(`[tool:memory ${JSON.stringify(note)}] Remember this.`),
      tools: [memory],
      tool_choice: { type: 'tool', name: 'memory' },
      stream,
    })
    const final = await runner.runUntilDone()
    expect(final.content).toMatchObject([{ type: 'text', text: expect.stringContaining('File created successfully') }])
    expect(await readFile(join(folder, String(stream), 'memories/notes.md'), 'utf8')).toBe('Oslo is cold.\n')
  })

  test('the computer toolset is used', async () => {
    const waited: number[] = []
    class Computer extends BetaAbstractComputerToolset20260801 {
      override wait(_ctx: unknown, { duration }: { duration: number }) {
        waited.push(duration)
      }
    }
    const runner = anthropic.beta.messages.toolRunner({
      ...ask('[tool:computer__wait {"duration":2}] Wait a bit.'),
      tools: [new Computer()],
      stream,
    })
    const final = await runner.runUntilDone()
    expect(waited).toEqual([2])
    expect(final.content).toMatchObject([{ type: 'text', text: expect.stringContaining('Waited 2s.') }])
  })
})
