import { describe, expect, test } from 'bun:test'
import { runTransform } from '../../../src/core/transform.ts'
import { decoder } from '../../../src/upstreams/zai-web/decode.ts'
import {
  answer,
  cases,
  decoded,
  done,
  type Expected,
  edit,
  heardOf,
  open,
  optionsWith,
  part,
  proseOf,
  steps,
  textOf,
  thinking,
  tidy,
} from './decoding.ts'

const cuts = [1, 2, 3, 7, 64, 1000, Number.POSITIVE_INFINITY]

describe('every recording gives its expected result', () => {
  for (const { name, bytes, expected } of cases) {
    test.each(cuts)(`${name}, whole, in reads of %d bytes`, async (size) => {
      expect(heardOf(await decoded(bytes, size, { whole: true }))).toEqual(wanted(expected))
    })
    test.each(cuts)(`${name}, streaming, in reads of %d bytes`, async (size) => {
      const received = heardOf(await decoded(bytes, size, { whole: false }))
      // This recording rewrites text that was sent long ago; it has its own test below.
      const text = name === 'edit-rewinds-emitted' ? received.text : wanted(expected).text
      expect(received).toEqual({ ...wanted(expected), text })
    })
  }
})

test('the recordings are found', () => expect(cases.map(({ name }) => name)).toContain('thinking-edit-close'))

describe('streaming', () => {
  test('sent text is never sent again when an edit starts before its end', async () => {
    const notes: string[] = []
    const bytes = cases.find(({ name }) => name === 'edit-rewinds-emitted')?.bytes ?? new Uint8Array()
    const deltas = await decoded(bytes, 64, { whole: false, annotate: (note) => notes.push(note) })
    // 62 units went out before the edit at 40; what follows is the new text from there on.
    expect(textOf(deltas)).toBe('The quick brown fox jumps over the lazy cat and then it goes home to sleep.')
    expect(notes).toEqual(['rewrote sent text'])
  })

  test('the edit that closes a reasoning wrapper sends only new text, and is no rewrite', async () => {
    const notes: string[] = []
    const bytes = cases.find(({ name }) => name === 'thinking-edit-close')?.bytes ?? new Uint8Array()
    const deltas = await decoded(bytes, Number.POSITIVE_INFINITY, {
      whole: false,
      annotate: (note) => notes.push(note),
    })
    expect(notes).toEqual([])
    expect(deltas.filter(({ type }) => type === 'reasoning').at(-1)).toEqual({ type: 'reasoning', text: '.' })
  })

  test.each<[string, string[], string[][]]>([
    ['the last 24 units wait for the end', [answer('x'.repeat(30)), done()], [['xxxxxx'], ['x'.repeat(24)]]],
    ['reasoning goes out at once', [thinking('a'), thinking('b')], [['a'], ['b']]],
    [
      'reasoning in a wrapper goes out at once',
      [thinking(`${open}\n> Well`), thinking(', yes')],
      [['Well'], [', yes']],
    ],
    ['half a tag waits', [thinking('a<details ty'), thinking('pical')], [['a'], ['<details typical']]],
    ['half a line prefix waits', [thinking(`${open}\n> a\n`), thinking('>'), thinking(' b')], [['a'], ['\n'], ['b']]],
    [
      'an answer is settled once reasoning stands behind it',
      [answer('Let me see.'), thinking('Hm.')],
      [[], ['Let me see.', 'Hm.']],
    ],
    ['half a surrogate pair waits', [thinking('a\ud83c'), thinking('\udf21b')], [['a'], ['🌡b']]],
    [
      'a pair is not split by the hold-back',
      [answer(`ab🌡${'x'.repeat(23)}`), done()],
      [['ab'], [`🌡${'x'.repeat(23)}`]],
    ],
  ])('%s', (_name, frames, expected) => {
    expect(steps(frames, { whole: false })).toEqual(expected)
  })

  test('the answer is held from `holdFrom` on, also when that text comes in pieces', () => {
    const frames = ['See:\n<to', 'ol_ca', `ll>{${'x'.repeat(60)}`, '}</tool_call> and more'].map(answer)
    expect(steps([...frames, done()], { whole: false, holdFrom: '<tool_call' })).toEqual([
      [],
      [],
      ['See:\n'],
      [],
      [`<tool_call>{${'x'.repeat(60)}}</tool_call> and more`],
    ])
  })

  test('an edit that removes the `holdFrom` text releases the answer', () => {
    const frames = [answer(`Look: <tool_call>${'x'.repeat(40)}`), edit(6, `no call, ${'y'.repeat(40)}`), done()]
    expect(steps(frames, { whole: false, holdFrom: '<tool_call' }).flat().join('')).toBe(
      `Look: no call, ${'y'.repeat(40)}`,
    )
    expect(steps(frames, { whole: false, holdFrom: '<tool_call' })[1]).not.toEqual([])
  })

  test('a surrogate pair at the end of sent text is not split', () => {
    const frames = [thinking('abcdefgh'), edit(0, 'abcdefg🌡x', 'thinking')]
    expect(steps(frames, { whole: false })).toEqual([['abcdefgh'], ['x']])
  })

  test('a text that only shrinks is reported as rewritten', () => {
    const notes: string[] = []
    steps([thinking('one two three'), edit(3, '', 'thinking'), answer('ok'), done()], {
      whole: false,
      annotate: (note) => notes.push(note),
    })
    expect(notes).toEqual(['rewrote sent text'])
  })
})

describe('frames', () => {
  test.each<[string, string[], Partial<ReturnType<typeof heardOf>>]>([
    [
      'content with text is the whole text',
      [answer('abc'), part({ content: 'xyz', phase: 'answer' })],
      { text: 'xyz' },
    ],
    ['an edit without an index appends', [answer('abc'), part({ edit_content: 'def' })], { text: 'abcdef' }],
    ['an edit beyond the end appends', [answer('abc'), edit(99, 'def')], { text: 'abcdef' }],
    ['an edit below zero starts anew', [answer('abc'), edit(-5, 'def')], { text: 'def' }],
    ['an edit may be a JSON literal', [answer('abc'), edit(1, '"d\\ne"')], { text: 'ad\ne' }],
    ['quotation marks alone are no literal', [answer('abc'), edit(1, '"d" or "e"')], { text: 'a"d" or "e"' }],
    ['a cut inside a pair cuts before it', [answer('a🌡b'), edit(2, 'c')], { text: 'ac' }],
    ['a phase nobody knows is answer', [part({ delta_content: 'abc', phase: 'musing' })], { text: 'abc' }],
    [
      'an OpenAI-shaped reasoning field is reasoning',
      [JSON.stringify({ choices: [{ delta: { reasoning_content: 'Hm' } }] }), answer('abc')],
      { reasoning: 'Hm', text: 'abc' },
    ],
    [
      'nulls are no harm',
      [part({ delta_content: 'abc', edit_index: null, usage: null, error: null })],
      { text: 'abc' },
    ],
    [
      'what is no part of a reply is skipped',
      [
        ...['ping', 'null', '12', '[]', '{"x":1}', '{"data":"ping"}', '{"type":"chat:completion","data":null}'],
        ...['{"type":"chat:title","data":{"content":5}}', '{"type":"chat:title","choices":5}', answer('abc')],
      ],
      { text: 'abc' },
    ],
    [
      'other details are answer',
      [answer('<details><summary>More</summary>x</details>')],
      { text: '<details><summary>More</summary>x</details>' },
    ],
    [
      'a tag nobody closes is text',
      [answer('a <details type="reasoning" b')],
      { text: 'a <details type="reasoning" b' },
    ],
    ['a block tag without JSON is text', [answer('`<glm_block>` is a tag')], { text: '`<glm_block>` is a tag' }],
    ['an unfinished block is not text', [answer('a<glm_block view="">{"type": "mcp"')], { text: 'a' }],
    [
      'reasoning that nobody closes is reasoning',
      [answer(`${open}\n> a\n> b`), answer('c')],
      { reasoning: 'a\nbc', text: '' },
    ],
    [
      'a quotation in reasoning keeps its own mark',
      [answer(`${open}\n> > quoted\n>plain\n</details>\nabc`)],
      { reasoning: '> quoted\nplain', text: 'abc' },
    ],
    [
      'finish_reason length is told',
      [answer('abc'), part({ choices: [{ finish_reason: 'length' }] })],
      { text: 'abc', finish: 'length' },
    ],
    [
      'the last count is the count, and an empty one is none',
      [
        answer('abc'),
        part({ usage: { prompt_tokens: 5, completion_tokens: 1 } }),
        part({ usage: { prompt_tokens: 7, completion_tokens: 3, completion_tokens_details: { reasoning_tokens: 2 } } }),
        part({ usage: { prompt_tokens: 0, completion_tokens: 0 } }),
      ],
      { usage: { inputTokens: 7, outputTokens: 3, reasoningTokens: 2 } },
    ],
  ])('%s', (_name, frames, expected) => {
    const deltas = runTransform(decoder(optionsWith({ whole: true })), [...frames, done()])
    expect(heardOf(deltas)).toMatchObject(expected)
  })

  test('frames after the end are ignored', () => {
    const deltas = runTransform(decoder(optionsWith({})), [
      answer('abc'),
      '[DONE]',
      answer('def'),
      '{"error":"late"}',
      done(),
    ])
    expect(deltas).toEqual([
      { type: 'text', text: 'abc' },
      { type: 'finish', reason: 'stop' },
    ])
  })

  test('a reply of reasoning alone finishes normally here', () => {
    expect(heardOf(runTransform(decoder(optionsWith({})), [thinking('Hm'), done()]))).toMatchObject({
      reasoning: 'Hm',
      error: undefined,
      finish: 'stop',
    })
  })

  test('a blank line separates a later reasoning wrapper, but not plain reasoning', () => {
    const wrapped = (text: string) => thinking(`${open}\n> ${text}\n</details>\n`)
    const frames = [thinking('a'), answer('-'), thinking(' b'), answer('-'), wrapped('c'), wrapped('d'), answer('-')]
    expect(proseOf(runTransform(decoder(optionsWith({})), frames)).reasoning).toBe('a b\n\nc\n\nd')
  })

  test('reasoning and text keep the order of the message', () => {
    const frames = [thinking('a'), answer('b'), thinking('c'), answer('d'), done()]
    const expected = ['reasoning a', 'text b', 'reasoning c', 'text d']
    for (const whole of [true, false]) {
      const deltas = runTransform(decoder(optionsWith({ whole })), frames)
      expect(deltas.flatMap((delta) => ('text' in delta ? [`${delta.type} ${delta.text}`] : []))).toEqual(expected)
    }
  })

  test.each([
    ['half of one', '{"type":"chat:completion","data":{"phase":"answer","delta_content":"b'],
    ['a text of a wrong type', part({ phase: 'answer', delta_content: 5 })],
    ['an edit at a place that is none', part({ phase: 'answer', edit_index: '1', edit_content: 'b' })],
    ['a text without a part', '{"type":"chat:completion","data":"b"}'],
    ['a part that has no type', '{"data":{"delta_content":5}}'],
    ['a type that is none', '{"type":5,"data":{"delta_content":"b"}}'],
    ['a delta that is text', '{"choices":[{"delta":"b"}]}'],
    ['choices that are none', '{"choices":{"0":{}}}'],
  ])('a reply with a part that cannot be read never looks finished: %s', (_name, frame) => {
    const deltas = runTransform(decoder(optionsWith({ whole: true })), [answer('a'), frame, answer('c'), done()])
    expect(deltas.map((delta) => (delta.type === 'error' ? delta.error.code : delta.type))).toEqual([
      'text',
      'upstream_malformed',
    ])
  })

  test.each([
    ['of words', { prompt_tokens: 'x', completion_tokens: 4 }],
    ['below zero', { prompt_tokens: 9, completion_tokens: -4 }],
    ['in a list', [9, 4]],
  ])('a usage %s is none, and the answer stays', (_name, usage) => {
    const openAiShaped = JSON.stringify({ choices: [{ delta: { content: 'b' } }], usage })
    const frames = [part({ phase: 'answer', delta_content: 'a', usage }), openAiShaped, done()]
    const deltas = runTransform(decoder(optionsWith({ whole: true })), frames)
    expect(deltas.map(({ type }) => type)).toEqual(['text', 'finish'])
    expect(textOf(deltas)).toBe('ab')
  })
})

describe('citations', () => {
  const result = part({
    phase: 'tool_response',
    tool_name: 'search',
    delta_content:
      '[ref_id=turn0search0†One†https://example.com/a_(b)]\ntext\n【2†Two†https://example.com/two】\n[ref_id=turn0view3†Bad†javascript:alert(1)]',
  })
  test.each([
    ['a known mark is a link', 'a【turn0search0】b', 'a[1](https://example.com/a_%28b%29)b'],
    ['numbered results of the older form are known by their place', '【turn0search1】', '[2](https://example.com/two)'],
    ['a mark of no known result disappears', 'a【turn7search7】b', 'ab'],
    ['a result without a web address has no link', 'a【turn0view3】b', 'ab'],
    ['other text in such brackets stays', 'a【重要】【】b【turn0search】', 'a【重要】【】b【turn0search】'],
    ['a bracket nobody closes is text', 'a【turn0sear', 'a【turn0sear'],
  ])('%s', (_name, text, expected) => {
    const marked = [...text].map(answer)
    expect(textOf(runTransform(decoder(optionsWith({})), [result, ...marked, done()]))).toBe(expected)
  })

  test('a long text after an open bracket is not held until the end', () => {
    expect(steps([answer(`【${'x'.repeat(100)}`)], { whole: false })).toEqual([[`【${'x'.repeat(76)}`]])
  })
})

/** The decoder leaves calls in prose as text: for a recording of one, the answer is what stands behind the reasoning. */
function wanted(expected: Expected): ReturnType<typeof heardOf> {
  const { usage, error } = expected
  const text = expected.declared_tools
    ? (expected.raw_buffer ?? '').replace(/^<details[\s\S]*<\/details>\n/, '')
    : (expected.content_links ?? expected.content ?? '')
  const last = { done: 'finish', '[DONE]': 'finish', eof: 'text', error: 'error' } as const
  return {
    text: tidy(text),
    reasoning: tidy(expected.reasoning ?? ''),
    tools: expected.server_tools ?? [],
    sources: (expected.citations ?? []).map(({ ref_id, title, url }) => ({ refId: ref_id, title, url })),
    usage: usage
      ? {
          inputTokens: usage.prompt_tokens,
          outputTokens: usage.completion_tokens,
          cachedInputTokens: usage.prompt_tokens_details.cached_tokens,
        }
      : undefined,
    error: error?.gateway_code,
    finish: error || expected.ended_by === 'eof' ? undefined : 'stop',
    last: error ? 'error' : last[expected.ended_by],
  }
}
