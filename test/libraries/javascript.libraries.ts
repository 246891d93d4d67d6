import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { clientSetups } from '../../src/cli/clients/index.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'
import { libraries, nodeFolder } from '../support/libraries/install.ts'

// `make test-libraries` installs the packages and runs this file.
setDefaultTimeout(60_000)

const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
afterAll(() => gateway.stop())

const model = { id: 'GLM-4.5' }
const target = { url: gateway.url, key: 'anything', primary: model, small: model, models: [model], named: false }

/** What follows the recipe in a user's program. Prints the answer, the same as a stream, and the call of a tool. */
const uses = {
  'langchain-js': `
const reply = await llm.invoke("Hello there")
let streamed = ""
for await (const chunk of await llm.stream("Hello there")) streamed += chunk.text
const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
const tool = { type: "function", function: { name: "get_weather", description: "Weather", parameters: schema } }
const called = await llm.bindTools([tool]).invoke('[tool:get_weather {"city":"Oslo"}] What is the weather?')
const { name, args } = called.tool_calls[0]
console.log(JSON.stringify({ text: reply.text, streamed, call: { name, args } }))
`,
  'llamaindex-js': `
const messages = (content) => [{ role: "user", content }]
const reply = await llm.chat({ messages: messages("Hello there") })
let streamed = ""
for await (const chunk of await llm.chat({ messages: messages("Hello there"), stream: true })) streamed += chunk.delta
const tool = {
  metadata: {
    name: "get_weather",
    description: "Weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
  call: () => "",
}
const asked = messages('[tool:get_weather {"city":"Oslo"}] What is the weather?')
const called = await llm.chat({ messages: asked, tools: [tool] })
const { name, input } = called.message.options.toolCall[0]
const args = typeof input === "string" ? JSON.parse(input) : input
console.log(JSON.stringify({ text: reply.message.content, streamed, call: { name, args } }))
`,
}

test.each(['langchain-js', 'llamaindex-js'] as const)('the recipe for %s works as printed', async (client) => {
  const setup = clientSetups[client]
  const program = join(nodeFolder, `${client}.mjs`)
  writeFileSync(program, setup.snippet.text(target) + uses[client])
  const env = { PATH: process.env.PATH ?? '', ZAI2API_KEY: target.key }
  const child = Bun.spawn(['node', program], { env, stdout: 'pipe', stderr: 'pipe' })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  expect([await child.exited, stderr]).toEqual([0, ''])
  const { text, streamed, call } = JSON.parse(stdout)
  expect(text).toContain('Hello there')
  expect(streamed).toBe(text)
  expect(call).toEqual({ name: 'get_weather', args: { city: 'Oslo' } })
})

test('LangChain gets the vector of each of 150 texts, and of a question', async () => {
  const program = join(nodeFolder, 'langchain-embeddings.mjs')
  writeFileSync(
    program,
    `import { OpenAIEmbeddings } from "@langchain/openai"
const embeddings = new OpenAIEmbeddings({
  model: "embedding-3", dimensions: 256, apiKey: process.env.ZAI2API_KEY, configuration: { baseURL: process.env.BASE },
})
const texts = Array.from({ length: 150 }, (_, index) => "text " + index)
const vectors = await embeddings.embedDocuments(texts)
const one = await embeddings.embedQuery("text 149")
console.log(JSON.stringify({ lengths: vectors.map(({ length }) => length), last: vectors[149], one }))
`,
  )
  const env = { PATH: process.env.PATH ?? '', ZAI2API_KEY: target.key, BASE: `${gateway.url}/v1` }
  const child = Bun.spawn(['node', program], { env, stdout: 'pipe', stderr: 'pipe' })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  expect([await child.exited, stderr]).toEqual([0, ''])
  const { lengths, last, one } = JSON.parse(stdout)
  expect(lengths).toEqual(Array.from({ length: 150 }, () => 256))
  expect(last).toEqual(one)
})

test('the recipes name the versions that were run', () => {
  const versions = Object.entries(libraries.npm).map(([name, version]) => `${name} ${version}`)
  for (const client of ['langchain-js', 'llamaindex-js'] as const)
    expect(versions).toContain(clientSetups[client].source.ran)
})
