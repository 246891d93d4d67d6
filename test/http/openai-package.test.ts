import { afterAll, describe, expect, test } from 'bun:test'
import type OpenAI from 'openai'
import { startGateway } from '../support/gateway.ts'
import { clientOf, model, upstream, weather } from './storing.ts'

describe('the openai package', () => {
  const gateway = startGateway([upstream])
  afterAll(() => gateway.stop())
  const { responses } = clientOf(gateway)

  test('reads a whole response', async () => {
    const response = await responses.create({ model, input: 'Hello there' })
    expect(response).toMatchObject({ object: 'response', status: 'completed', model, error: null, store: true })
    expect(response.output_text).toContain('Hello there')
    expect(response.usage?.total_tokens).toBe(
      (response.usage?.input_tokens ?? 0) + (response.usage?.output_tokens ?? 0),
    )
  })

  test('reads a stream as the same text', async () => {
    const input = 'Say 你好 🌏 twice'
    const whole = await responses.create({ model, input })
    const final = await responses.stream({ model, input }).finalResponse()
    expect(final.output_text).toBe(whole.output_text)
    expect(final.status).toBe('completed')
  })

  test('gets reasoning as an item of its own', async () => {
    const { output } = await responses.create({ model: 'GLM-4.5-Thinking', input: 'Why?' })
    expect(output.map(({ type }) => type)).toEqual(['reasoning', 'message'])
  })

  test('gets a reply cut for length as an incomplete response', async () => {
    const final = await responses.stream({ model, input: '[length] Tell me all' }).finalResponse()
    expect(final).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } })
  })

  test('gets a failure in the middle as a failed response', async () => {
    const final = await responses.stream({ model, input: '[error-mid] Tell me all' }).finalResponse()
    expect(final).toMatchObject({ status: 'failed', error: { message: expect.any(String) } })
  })

  test('parses JSON of the shape it asks for', async () => {
    const format = { type: 'json_schema' as const, name: 'n', schema: { type: 'object', properties: {} } }
    const { output_parsed } = await responses.parse({ model, input: 'Give me JSON', text: { format } })
    expect(output_parsed).toBeObject()
  })

  test('runs a tool over two rounds, sending the items back', async () => {
    const input: OpenAI.Responses.ResponseInput = [
      { role: 'user', content: '[tool:get_weather {"city":"Oslo"}] What is the weather?' },
    ]
    const first = await responses.stream({ model, input, tools: [weather] }).finalResponse()
    const [called] = first.output.filter((item) => item.type === 'function_call')
    expect(called).toMatchObject({ name: 'get_weather', arguments: '{"city":"Oslo"}', status: 'completed' })
    // The package adds `parsed_arguments` and the like to what its stream helper gives.
    for (const item of first.output) if (item.type === 'function_call') input.push(item)
    input.push({ type: 'function_call_output', call_id: called?.call_id ?? '', output: 'Oslo: 3 °C' })
    const second = await responses.create({ model, input, tools: [weather] })
    expect(second.output_text).toContain('Oslo: 3 °C')
  })

  test('gets parallel calls, each with its own id', async () => {
    const { output } = await responses.create({ model, input: '[tools:2] Weather, please', tools: [weather] })
    const calls = output.flatMap((item) => (item.type === 'function_call' ? [item.call_id] : []))
    expect(new Set(calls).size).toBe(2)
  })

  test('runs a freeform tool', async () => {
    const stream = responses.stream({
      model,
      input: '[tool:apply_patch {"input":"*** Begin\\n+ \\"a\\"\\n*** End"}] Fix it',
      tools: [{ type: 'custom', name: 'apply_patch', description: 'Changes files.' }],
    })
    let streamed = ''
    for await (const event of stream)
      if (event.type === 'response.custom_tool_call_input.delta') streamed += event.delta
    const patch = '*** Begin\n+ "a"\n*** End'
    expect(streamed).toBe(patch)
    expect((await stream.finalResponse()).output).toContainEqual(
      expect.objectContaining({ type: 'custom_tool_call', name: 'apply_patch', input: patch }),
    )
  })

  test('gets a call of a namespace under both names', async () => {
    const { output } = await responses.create({
      model,
      input: '[tool:team__ask {"city":"Oslo"}] Ask them',
      tools: [{ type: 'namespace', name: 'team', description: 'Helpers.', tools: [{ ...weather, name: 'ask' }] }],
    })
    expect(output).toContainEqual(
      expect.objectContaining({ type: 'function_call', name: 'ask', namespace: 'team', arguments: '{"city":"Oslo"}' }),
    )
  })
})
