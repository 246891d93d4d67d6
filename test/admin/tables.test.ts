import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { csvLines } from '../../src/admin/csv.ts'
import { cpuTimeMs } from '../support/cpu-time.ts'
import { operatedGateway } from '../support/operated-gateway.ts'

let gateway: Awaited<ReturnType<typeof operatedGateway>>
beforeAll(async () => {
  gateway = await operatedGateway({ UPSTREAMS: 'demo' })
})
afterAll(() => gateway.close())

const json = async (path: string) => (await gateway.ask('GET', path)).json()

async function chatAs(client: string, session: string, content = 'the word of a prompt') {
  const response = await gateway.app.handle(
    new Request('http://localhost:8080/v1/messages', {
      method: 'POST',
      headers: {
        ...{ host: 'localhost:8080', 'content-type': 'application/json' },
        ...{ 'user-agent': client, 'x-claude-code-session-id': session },
      },
      body: JSON.stringify({
        model: 'GLM-4.5',
        max_tokens: 9,
        messages: [{ role: 'user', content: `[fast] ${content}` }],
      }),
    }),
  )
  await response.text()
}

describe('a table of requests', () => {
  test('has all rows of the filter, no word of a prompt, and no formulas', async () => {
    for (let n = 0; n < 3; n++) await chatAs('=HYPERLINK("http://example.com")/1', 'session-one')
    await chatAs('claude-cli/2.1.0', 'session-two')
    const response = await gateway.ask('GET', '/admin/api/requests?format=csv&session=session-one&limit=1')
    expect([
      response.status,
      response.headers.get('content-type'),
      response.headers.get('content-disposition'),
    ]).toEqual([200, 'text/csv; charset=utf-8; header=present', 'attachment; filename="requests.csv"'])
    const text = await response.text()
    const [head, ...rows] = text.trimEnd().split('\r\n')
    expect(head).toStartWith('id,at,client,client_version,session,agent,key,api,asked,model,upstream,status')
    expect(rows).toHaveLength(3)
    for (const row of rows) expect(row).toMatch(/^req_\w+,\d{4}-/)
    expect(text).not.toContain('the word of a prompt')
    expect(text).not.toMatch(/(?:^|,|")=/m)
    const all = await (await gateway.ask('GET', '/admin/api/requests?format=csv')).text()
    expect(all.trimEnd().split('\r\n')).toHaveLength(5)
  })

  test.each([
    ['=1+1', "'=1+1"],
    [' =1+1', "' =1+1"],
    ['+1', "'+1"],
    ['-2+3', "'-2+3"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['＝1', "'＝1"],
    ['\t=1', "'\t=1"],
    ['a,"b"\nc', '"a,""b""\nc"'],
    ['=cmd|"/c calc"', '"\'=cmd|""/c calc"""'],
    ['glm-5.3', 'glm-5.3'],
  ])('%j is the cell %j', (value, cell) => {
    expect(csvLines([[value, -1, undefined]])).toBe(`${cell},-1,\r\n`)
  })
})

test('sessions are found by a part of their names', async () => {
  const ids = async (search: string) =>
    (await json(`/admin/api/sessions${search}`)).sessions.map(({ id }: { id: string }) => id)
  expect(await ids('')).toEqual(['session-two', 'session-one'])
  expect(await ids('?q=ONE')).toEqual(['session-one'])
  expect(await ids('?q=glm-4.5')).toHaveLength(2)
  expect(await ids('?q=claude')).toEqual(['session-two'])
  expect(await ids('?q=local')).toHaveLength(2)
  expect(await ids('?q=100%25')).toEqual([])
})

test('prices are those of a million tokens', async () => {
  const { prices } = await json('/admin/api/prices')
  expect(prices).toContainEqual({ model: 'GLM-5.3-Flash', unit: 'usd', input: 0.15, cached: 0.03, output: 0.5 })
  expect(prices).toContainEqual({ model: 'GLM-5.3', unit: 'credits', input: 690, cached: 170, output: 2_400 })
})

test('usage between instants far in the future is answered as soon as any', async () => {
  const from = Date.UTC(2100, 0)
  const startedAt = cpuTimeMs()
  expect(await json(`/admin/api/usage?by=hour&from=${from}&to=${8_640_000_000_000_000}`)).toEqual({
    ...{ slots: [], peak_hours: [] },
  })
  const { peak_hours } = await json('/admin/api/usage?by=hour&to=8640000000000000')
  expect(peak_hours).toEqual([])
  expect(cpuTimeMs() - startedAt).toBeLessThan(1_000)
})

test.each([
  ['/admin/api/requests', 'since'],
  ['/admin/api/requests', 'until'],
  ['/admin/api/requests', 'min_ms'],
  ['/admin/api/usage', 'from'],
  ['/admin/api/usage', 'to'],
  ['/admin/api/sessions', 'since'],
])('%s refuses a number in %s that no database can store', async (path, field) => {
  const response = await gateway.ask('GET', `${path}?${field}=99999999999999999`)
  expect(response.status).toBe(400)
  expect(await response.text()).toContain(field)
})
