import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  demoEnv,
  home,
  installFakeClients,
  onFreePort,
  removeFakeClients,
  run,
  runProgram,
  runShared,
  type Said,
  spawn,
} from './launching.ts'

beforeAll(installFakeClients)
afterAll(removeFakeClients)

describe('zai2api exits like its client:', () => {
  test.each([
    ['0', 0, runShared],
    ['3', 3, runProgram],
    ['die', 137, runShared],
  ])('%s is exit code %d', async (action, code, runIn) => {
    expect(await runIn(onFreePort(['claude']), { ...demoEnv, FAKE: action })).toMatchObject({ code, stderr: '' })
  })

  test.each([
    ['SIGTERM', 23],
    ['SIGINT', 24],
  ] as const)('%s is passed on', async (signal, code) => {
    const child = spawn(onFreePort(['claude']), { ...demoEnv, FAKE: 'wait' })
    const reader = child.stdout.getReader()
    for (let text = ''; !text.includes('waiting'); ) {
      const { done, value } = await reader.read()
      if (done) throw new Error(`ended early: ${text}`)
      text += new TextDecoder().decode(value)
    }
    child.kill(signal)
    expect(await child.exited).toBe(code)
  })
})

test('an upstream that cannot be reached is named before the client starts', async () => {
  const env = { UPSTREAMS: 'zai-api', ZAI_API_KEY: 'good.key', ZAI_API_BASE: 'http://127.0.0.1:1/v4' }
  const { code, stderr } = await run(['claude'], env)
  expect(code).toBe(0)
  expect(stderr).toContain('could not be reached')
  expect(stderr).toContain(' Claude Code is started all the same; zai2api doctor tells more\n')
})

test('behind a proxy the client gets an exception for the gateway', async () => {
  const proxies = { HTTPS_PROXY: 'http://127.0.0.1:1', HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: 'intra.example' }
  const { stdout } = await runProgram(onFreePort(['claude']), { ...demoEnv, ...proxies })
  const { env, status }: Said = JSON.parse(stdout)
  expect([env.NO_PROXY, env.no_proxy]).toEqual(['intra.example,127.0.0.1', 'intra.example,127.0.0.1'])
  expect(status).toBe(200)
})

test.each([
  ['claude', 'Claude Code', '@anthropic-ai/claude-code'],
  ['codex', 'Codex', '@openai/codex'],
  ['opencode', 'opencode', 'opencode-ai'],
  ['qwen', 'Qwen Code', '@qwen-code/qwen-code'],
])('%s that is not installed is reported on one line', async (program, title, name) => {
  expect(await run([program, '--version'], { PATH: home })).toEqual({
    code: 127,
    stdout: '',
    stderr: `zai2api: ${title} is not installed: there is no ${program} on the PATH; npm install -g ${name}\n`,
  })
})
