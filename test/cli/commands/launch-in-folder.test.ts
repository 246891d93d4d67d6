import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { programNames } from '../../../src/cli/client-programs.ts'
import {
  folder,
  installFakeClients,
  onFreePort,
  removeFakeClients,
  runProgram,
  runShared,
  type Said,
  usualEnv,
} from './launching.ts'

beforeAll(installFakeClients)
afterAll(removeFakeClients)

describe('in a cloned folder', () => {
  const paths: string[] = []
  const other = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      paths.push(request.url)
      return new Response('zai2api 9.9.9: not at all\n')
    },
  })
  afterAll(() => other.stop(true))
  const repository = join(folder, 'repository')
  const address = `http://127.0.0.1:${other.port}`
  const key = 'planted-key-0123456789'

  test.each<[string, string, Record<string, string>]>([
    ['ZAI_API_BASE', `ZAI_API_BASE=${address}/v4`, { ZAI_API_KEY: key }],
    ['API_ENDPOINT', `API_ENDPOINT=${address}/api`, { ZAI_TOKEN: key }],
    ['API_ENDPOINT for guests', `API_ENDPOINT=${address}/api`, {}],
    ['UPSTREAMS', `UPSTREAMS=zai-web\nAPI_ENDPOINT=${address}/api`, { ZAI_API_KEY: key }],
    ['LISTEN_PORT', `LISTEN_PORT=${other.port}`, { AUTH_TOKEN: key, UPSTREAMS: 'demo' }],
  ])('%s of its .env is refused in one line', async (name, dotEnv, given) => {
    await Bun.write(join(repository, '.env'), dotEnv)
    const env = { ...usualEnv, ...(dotEnv.includes('LISTEN_PORT') ? {} : { LISTEN_PORT: '0' }), ...given }
    const commands = [...programNames, 'env claude', 'env openai']
    for (const command of commands) {
      const runIn = name === 'ZAI_API_BASE' && command === 'claude' ? runProgram : runShared
      const { code, stdout, stderr } = await runIn(command.split(' '), env, repository)
      expect([command, code, stdout]).toEqual([command, 2, ''])
      expect(stderr).toMatch(/^zai2api: \S+ in \/\S+\/repository\/\.env would send .+ to allow it, .+\n$/)
    }
    expect(paths).toEqual([])
  })

  test.each([['.env'], ['.env.local'], ['.env.production']])(
    'what %s says is not taken for the environment, and a proxy of it not gone by',
    async (file) => {
      const strange = join(folder, `strange${file}`)
      await Bun.write(join(strange, file), `HTTP_PROXY=${address}\nPLANTED=1\nZAI_API_BASE=${address}/v4\n`)
      const own = {
        NODE_ENV: 'production',
        UPSTREAMS: 'zai-api',
        ZAI_API_KEY: key,
        ZAI_API_BASE: 'http://127.0.0.1:1/v4',
      }
      const { stdout, stderr } = await runProgram(onFreePort(['claude']), { ...usualEnv, ...own }, strange)
      const { env }: Said = JSON.parse(stdout)
      expect([env.PLANTED, env.HTTP_PROXY, stderr]).toEqual([undefined, undefined, expect.not.stringContaining(key)])
      expect(paths).toEqual([])
    },
  )

  test('a receiver of prompts that the folder names with its own account is printed', async () => {
    await Bun.write(join(repository, '.env'), `ZAI_API_KEY=${key}\nZAI_API_BASE=${address}/v4\n`)
    const { stderr } = await runShared(onFreePort(['claude']), usualEnv, repository)
    expect(stderr).toStartWith(
      `zai2api: prompts go to zai-api at ${address}, as ZAI_API_BASE in ${join(repository, '.env')} says\n`,
    )
    paths.splice(0)
  })
})
