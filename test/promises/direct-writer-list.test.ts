import { describe, expect, test } from 'bun:test'
import { Glob } from 'bun'
import { transforms } from './direct-writing.ts'

describe('nothing that may change a text is missing above:', () => {
  /** Files of src that say it, without those that only hand it on. */
  const saying = async (pattern: RegExp, handOn: readonly string[]) => {
    const found: string[] = []
    for (const path of new Glob('**/*.ts').scanSync('src'))
      if (pattern.test(await Bun.file(`src/${path}`).text()) && !handOn.includes(path)) found.push(path)
    return found.sort()
  }

  test('every file with a transform of deltas or events is in the list', async () => {
    const transform =
      /\b(?:Machine|Transform)<(?:Delta|StreamEvent), (?:Delta|StreamEvent)>|\b(?:passes|passthrough)\??[:(]/
    const handOn = [
      'core/transform.ts',
      'core/pipeline.ts',
      'core/batch-stream.ts',
      'gateway/attempt.ts',
      'gateway/open-reply.ts',
      'prompted-tools/channels-and-calls.ts',
    ]
    const opening = [
      'upstreams/chat-completions/open.ts',
      'upstreams/opening/prepare-call.ts',
      'upstreams/zai-web/open.ts',
    ]
    const listed = new Set(Object.values(transforms).map(({ file }) => file))
    expect(await saying(transform, [...handOn, ...opening])).toEqual([...listed].sort())
  })

  test('every such file is a hop of the pipeline or a rule of one, and every hop is a file', async () => {
    const hops = [...(await Bun.file('src/core/pipeline.ts').text()).matchAll(/ \* (\d+)\. `([^`]+)`/g)]
    expect(hops.map(([, number]) => Number(number))).toEqual(hops.map((_, index) => index + 1))
    const files = hops.map(([, , path = '']) => path)
    for (const path of files)
      expect([path, [...new Glob(path.replace('<name>', '*')).scanSync('src')].length > 0]).toEqual([path, true])
    const rules = await Bun.file('src/gateway/reply-rules.ts').text()
    const listed = new Set(Object.values(transforms).map(({ file }) => file))
    expect(
      [...listed].filter((file) => !files.includes(file) && !rules.includes(file.replace('gateway/', './'))),
    ).toEqual([])
  })

  test('every encoder that writes text directly is in the list', async () => {
    expect(await saying(/\btextWriter:/, ['http/save-reply.ts'])).toEqual([
      'dialects/anthropic-messages/encode.ts',
      'dialects/gemini/encode.ts',
      'dialects/ollama/line-encoder.ts',
      'dialects/openai-chat/encode.ts',
      'dialects/openai-responses/encode.ts',
    ])
  })
})
