import { expect, test } from 'bun:test'
import { argumentStream } from '../../src/prompted-tools/argument-stream.ts'

const parameters = {
  type: 'object',
  properties: {
    content: { type: 'string' },
    count: { type: 'integer' },
    list: { type: 'array', items: { type: 'integer' } },
  },
}
/** Longer than what is read member by member if nothing of it needs a repair. */
const long = 'x'.repeat(100_000)

test.each<[string, string[], string]>([
  [
    'that fit',
    [`{"content":"${long}", "count": 1e0,\n"list":[1,2]}`],
    `{"content":"${long}", "count": 1e0,\n"list":[1,2]}`,
  ],
  ['with space around them', [` {"content":"${long}"}\n`], `{"content":"${long}"}`],
  ['with a value of another type', [`{"content":"${long}","count":"3"}`], `{"content":"${long}","count":3}`],
  ['with an item of another type', [`{"content":"${long}","list":[1,"2"]}`], `{"content":"${long}","list":[1,2]}`],
  ['with a line break', [`{"content":"${long}\n"}`], `{"content":"${long}\\n"}`],
  ['with a comma too many', [`{"content":"${long}",}`], `{"content":"${long}"}`],
  ['that come again', [`{"content":"${long}"}`, `{"content":"${long}"}`], `{"content":"${long}"}`],
  ['with others behind them', [`{"content":"${long}"} `, '{"count":1}'], `{"content":"${long}"} {"count":1}`],
  ['that are cut', [`{"content":"${long}","count":{}`, '}'], `{"content":"${long}","count":{}}`],
])('long arguments %s', (_name, pieces, expected) => {
  const stream = argumentStream(parameters)
  expect(pieces.map((piece) => stream.push(piece)).join('') + stream.end()).toBe(expected)
  // As short ones are.
  const short = argumentStream(parameters)
  const sent = pieces.map((piece) => short.push(piece.replaceAll(long, 'x'))).join('') + short.end()
  expect(sent.replace('"x', `"${long}`)).toBe(expected)
})
