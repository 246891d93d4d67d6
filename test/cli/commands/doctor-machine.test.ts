import { describe, expect, test } from 'bun:test'
import { about, run, type World } from './examining.ts'

describe('the machine', () => {
  test.each<[string, World, string, string]>([
    [
      'a broken configuration',
      { env: { LISTEN_PORT: 'x' } },
      'configuration',
      `fail  configuration              environment variable LISTEN_PORT is "x" but must be a whole number from 0 to 65535
      → Correct it there; zai2api help settings lists them all.`,
    ],
    [
      'a key in this folder, beside an account elsewhere',
      {
        ...{ env: { ZAI_API_KEY: 'a.b' }, offline: true },
        refused: { problem: 'AUTH_TOKEN in /srv/.env would open it', remedy: 'to allow it, set AUTH_TOKEN' },
      },
      'configuration',
      `fail  configuration              AUTH_TOKEN in /srv/.env would open it
      → To allow it, set AUTH_TOKEN.`,
    ],
    [
      'settings of the environment',
      { env: { LISTEN_PORT: '9', AUTH_TOKEN: 'sk-x', LOG_LEVEL: 'off' }, offline: true },
      'configuration',
      'pass  configuration              4 settings from the environment',
    ],
    [
      'strangers without a key',
      { env: { HOST: '0.0.0.0' }, offline: true },
      'access',
      `fail  access                     without AUTH_TOKEN it will not listen on 0.0.0.0
      → Set AUTH_TOKEN, or HOST=127.0.0.1; zai2api serve offers a fresh key.`,
    ],
    [
      'strangers with a key',
      { env: { HOST: '0.0.0.0', AUTH_TOKEN: 'sk-12345' }, offline: true },
      'access',
      'pass  access                     with the key of AUTH_TOKEN',
    ],
    [
      'a proxy that clients would use, too',
      { env: { https_proxy: 'http://proxy.example:3128' }, offline: true },
      'proxy',
      `warn  proxy                      proxy.example:3128 by https_proxy, which clients on this machine would ask for the gateway too
      → Set NO_PROXY=127.0.0.1,localhost for them.`,
    ],
    [
      'a proxy that spares this machine',
      { env: { HTTPS_PROXY: 'http://proxy.example:3128', NO_PROXY: 'localhost,127.0.0.1' }, offline: true },
      'proxy',
      'pass  proxy                      proxy.example:3128 by HTTPS_PROXY',
    ],
    [
      'a proxy that cannot be used',
      { env: { ALL_PROXY: 'socks5://127.0.0.1:1080' } },
      'proxy',
      `fail  proxy                      environment variable ALL_PROXY names a SOCKS proxy, which cannot be used and would be bypassed; name an http:// proxy or unset it
      → Name an http:// proxy, or unset the variable.`,
    ],
    [
      'a port that needs more rights',
      { port: 'EACCES', offline: true },
      'port',
      `fail  port                       8080 on 127.0.0.1 cannot be used (EACCES)
      → Choose another with --port.`,
    ],
    [
      'a port that another program has',
      { port: 'EADDRINUSE', fetch: async () => new Response('hello'), offline: true },
      'port',
      `fail  port                       8080 on 127.0.0.1 is taken by another program
      → Choose another with --port, or --port 0 for any free one.`,
    ],
    [
      'a port that is ours already',
      { port: 'EADDRINUSE', proves: true, offline: true },
      'port',
      'pass  port                       8080 on 127.0.0.1: zai2api already runs there',
    ],
    [
      'a gateway of ours that has other settings',
      { port: 'EADDRINUSE', proves: true, offline: true, fetch: async () => new Response('', { status: 401 }) },
      'gateway',
      `warn  gateway                    the one at http://127.0.0.1:8080 does not take the key of this configuration, so its settings are others
      → Set its AUTH_TOKEN here, or name its file with --config; the other checks are of the settings here.`,
    ],
    [
      'a gateway of ours that takes our key',
      {
        ...{ env: { AUTH_TOKEN: 'sk-one' }, port: 'EADDRINUSE', proves: true, offline: true },
        fetch: async (url, { headers } = {}) =>
          new Response('', {
            status: url.endsWith('/v1/models') && headers?.authorization !== 'Bearer sk-one' ? 401 : 200,
          }),
      },
      'gateway',
      'pass  gateway                    the one at http://127.0.0.1:8080 takes this key and is ready; the other checks are of the settings here',
    ],
    [
      'a gateway of ours that is not ready',
      {
        ...{ port: 'EADDRINUSE', proves: true, offline: true },
        fetch: async (url) => new Response('', { status: url.endsWith('/readyz') ? 503 : 200 }),
      },
      'gateway',
      `warn  gateway                    the one at http://127.0.0.1:8080 takes this key, and none of its upstreams is ready
      → If the other checks pass, it has other settings: its log says why, and the check on its page.`,
    ],
    [
      'a port of one that only says to be ours',
      { port: 'EADDRINUSE', fetch: async () => new Response('zai2api 1.2.3: …'), offline: true },
      'port',
      `warn  port                       8080 on 127.0.0.1: a gateway that does not prove to be yours
      → If it is one of another user, of a container or of an older version, choose another port with --port.`,
    ],
    [
      'any port',
      { env: { LISTEN_PORT: '0' }, port: 'never asked', offline: true },
      'port',
      'pass  port                       any free one',
    ],
  ])('%s', async (_name, world, check, said) => {
    const { code, lines } = await run(world)
    expect(about(check, lines)).toBe(said)
    expect(code).toBe(said.startsWith('fail') ? 1 : 0)
  })
})
