import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { runTransform } from '../../src/core/transform.ts'
import { toolCallParser } from '../../src/prompted-tools/parse.ts'
import { renderCall } from '../../src/prompted-tools/prompt.ts'
import { runs } from '../support/effort.ts'
import { bash, join, parse, parser, reasoning, recorded, stop, text } from './parsing.ts'

test('the output does not depend on how a text is split', () => {
  const samples = [
    bash,
    `Hm.\n${bash}\n<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>"é ✅"</arg_value>\n</tool_call> bye`,
    `\`\`\`json\n{"tool_calls":[{"name":"bash","arguments":"{\\"command\\":\\"ls\\"}"}]}\n\`\`\``,
    `Doc:\n\`\`\`xml\n${bash}\n\`\`\`\nthen\n${bash}`,
    '<function_calls><invoke name="bash"><parameter name="command">a < b</parameter></invoke></function_calls>',
    '<tool_call>{"name":"launch_rocket","arguments":{}}</tool_call> <tool_call>{json}',
    '{"name":"bash","arguments":{"command":"ls"}} or so',
    '```a```<tool_ca<tool_call>x<tool_call>bash</tool_call>',
    '<tool_call>{"name":"bash","arguments":{"command":"cut he',
    'bash(command="ls -la /tmp")',
    ...recorded.map(([, answer]) => answer),
  ]
  for (const sample of samples)
    for (const before of [[], [reasoning]]) {
      const whole = parse(sample, before)
      for (let cut = 1; cut < sample.length; cut++)
        expect(
          join(runTransform(parser(), [...before, text(sample.slice(0, cut)), text(sample.slice(cut)), stop])),
        ).toEqual(whole)
      expect(join(runTransform(parser(), [...before, ...Array.from(sample.split(''), text), stop]))).toEqual(whole)
    }
})

describe('for any input', () => {
  test('text without marks passes unchanged', () => {
    const plain = fc.string({ unit: 'binary' }).map((sample) => sample.replace(/[<`~{]/g, ''))
    fc.assert(
      fc.property(fc.array(plain), (pieces) => {
        expect(join(runTransform(parser(), [...pieces.map(text), stop]))).toEqual({
          text: pieces.join(''),
          calls: [],
          end: 'stop',
        })
      }),
    )
  })

  test('a rendered call parses back to its arguments, however it is split', () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(
          fc.constantFrom('"', '\\', '\n', '</tool_call>', '<tool_call>', '{', '}', '`', '```\n', 'é', '😀', "'"),
          { maxLength: 8 },
        )
        .map((parts) => parts.join('')),
    )
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        nasty,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(nasty, tie('any'), { maxKeys: 3 }),
      ),
    })).any
    const name = fc.stringMatching(/^[a-zA-Z_][\w-]{0,20}$/)
    fc.assert(
      fc.property(
        name,
        fc.dictionary(nasty, value, { maxKeys: 4 }),
        fc.boolean(),
        fc.nat(),
        fc.nat(),
        (name, args, guarded, a, b) => {
          const json = JSON.stringify(args)
          const written = guarded
            ? renderCall(name, json)
            : `<tool_call>{"name":"${name}","arguments":${json}}</tool_call>`
          const [first = 0, second = 0] = [a % (written.length + 1), b % (written.length + 1)].sort((x, y) => x - y)
          const pieces = [written.slice(0, first), written.slice(first, second), written.slice(second)]
          const machine = toolCallParser([{ name, description: '', parameters: {} }], { scanLimit: 100_000 })
          expect(join(runTransform(machine, [...pieces.map(text), stop]))).toEqual({
            text: '',
            calls: [{ name, arguments: JSON.parse(json) }],
            end: 'stop',
          })
        },
      ),
      { numRuns: runs(500) },
    )
  })

  test('fragments of marks never throw and do not depend on the split', () => {
    const fragment = fc.constantFrom(
      '<tool_call>',
      '</tool_call>',
      '<tool_calls>',
      '</tool_calls>',
      '<function_calls>',
      '</function_calls>',
      '<function_call>',
      '</function_call>',
      '<tool>',
      '</tool>',
      '<args_json>',
      '<![CDATA[',
      ']]>',
      '</args_json>',
      '<invoke name="bash">',
      '</invoke>',
      '<parameter name="command">',
      '</parameter>',
      '<arg_key>',
      '</arg_key>',
      '<arg_value>',
      '</arg_value>',
      '<tool_response>',
      'bash',
      'zsh',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '“',
      '”',
      ':',
      ',',
      '"name":"bash"',
      '"arguments":',
      '{"tool_calls":[',
      '\\',
      '\n',
      ' ',
      '```',
      '~~~',
      '```json\n',
      '\n```\n',
      '(',
      ')',
      'command=',
      'é',
      '1',
      'null',
    )
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 30 }), fc.boolean(), (pieces, reasons) => {
        const before = reasons ? [reasoning] : []
        const whole = join(runTransform(parser(), [...before, text(pieces.join('')), stop]))
        expect(join(runTransform(parser(), [...before, ...pieces.map(text), stop]))).toEqual(whole)
      }),
      { numRuns: runs(3000) },
    )
  })
})
