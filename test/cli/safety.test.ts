import { describe, expect, test } from 'bun:test'
import { run } from './command-line.ts'

describe('safety', () => {
  test.each(['serve', 'demo'])('%s listens beyond loopback only with a key', async (command) => {
    const { code, stderr, started } = await run(`${command} --host 0.0.0.0`)
    expect([code, started]).toEqual([2, []])
    expect(stderr).toMatch(
      /^zai2api: will not listen on 0\.0\.0\.0 without a key: .+\n.+\nAUTH_TOKEN=sk-[0-9A-Za-z]{32}\n$/,
    )
  })

  test('every refusal offers another key', async () => {
    const [one, two] = [await run('--host ::'), await run('--host ::')]
    expect(one.stderr).not.toBe(two.stderr)
  })

  test('with a key it listens beyond loopback, and models needs none', async () => {
    expect((await run('--host 0.0.0.0', { AUTH_TOKEN: 'sk-x' })).code).toBe(0)
    expect((await run('models --host 0.0.0.0')).started).toHaveLength(1)
  })

  test.each([
    ['serve', 2],
    ['models', 2],
    ['quota', 2],
    ['claude', 2],
    ['--upstreams demo claude', 41],
    ['env openai', 2],
    ['doctor', 0],
    ['demo', 0],
    ['config', 0],
    ['version', 0],
  ])('behind a SOCKS proxy %s ends with %d', async (command, code) => {
    const result = await run(command, { ALL_PROXY: 'socks5://127.0.0.1:1080' })
    expect(result.code).toBe(code)
    if (code === 2) expect(result.stderr).toMatch(/^zai2api: environment variable ALL_PROXY names a SOCKS proxy.+\n$/)
  })
})
