import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dialectViewNames } from '../support/client-view.ts'
import { startGateway } from '../support/gateway.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { chatRoute, scriptedApi } from '../support/zai-api.ts'
import { answerOf, api, ask, plantedKey, running, stopAll, whole, wireFormats } from './upstream-faults.ts'

afterEach(stopAll)

// Each asks in every dialect, which takes seconds on a busy machine.
setDefaultTimeout(60_000)

describe('nobody is there:', () => {
  const lost: [string, () => string, RegExp][] = [
    ['the port is closed', vacant, /could not be reached \(ECONNREFUSED\)/],
    ['the name does not exist', () => 'http://upstream.invalid', /could not be reached \((?:ENOTFOUND|EAI_AGAIN)\)/],
    [
      'https meets a port that does not speak it',
      () => speakingPlainly().replace('http:', 'https:'),
      /could not be reached/,
    ],
  ]
  test.each(lost)('%s', async (_name, origin, error) => {
    const gateway = startGateway([api(origin())])
    running.push(gateway)
    for (const dialect of dialectViewNames)
      for (const stream of [true, false]) {
        const view = await ask(gateway, dialect, stream)
        expect(view).toMatchObject({ status: 502, text: '' })
        expect(view.error).toMatch(error)
        expect(view.error).not.toContain(plantedKey)
      }
  })

  test.skipIf(Bun.which('openssl') === null)('the certificate is of its own making', async () => {
    const upstream = await startRawUpstream({ route: chatRoute, others: scriptedApi().fetch, tls: selfSigned() })
    upstream.play(whole(answerOf(wireFormats['zai-api'])))
    const gateway = startGateway([api(upstream.origin)])
    running.push(gateway, upstream)
    const view = await ask(gateway, 'chat', true)
    expect(view.status).toBe(502)
    expect(view.error).toMatch(/\(DEPTH_ZERO_SELF_SIGNED_CERT\)/)
    expect(upstream.asked()).toBe(0)
  })
})

/** A port of loopback that nobody listens on. */
function vacant(): string {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const { port } = server
  void server.stop(true)
  return `http://127.0.0.1:${port}`
}

function speakingPlainly(): string {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  running.push({ stop: () => server.stop(true) })
  return server.url.origin
}

function selfSigned(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const made = Bun.spawnSync(
    `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=127.0.0.1 -keyout ${key} -out ${cert}`.split(
      ' ',
    ),
    { stderr: 'pipe' },
  )
  try {
    if (!made.success) throw new Error(made.stderr.toString())
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
