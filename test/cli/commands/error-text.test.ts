import { expect, test } from 'bun:test'
import { errorText } from '../../../src/cli/commands/doctor/error-text.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { dialects } from '../../../src/dialects/index.ts'

const broken = new GatewayError('upstream-unavailable', 'It is broken.')

test.each<[string, unknown]>([
  ...dialects.map(({ id, encodeError }): [string, unknown] => [id, encodeError(broken, 'req_1').body]),
  ['at the top', { message: 'It is broken.', error: 'Bad Gateway' }],
  ['as a detail', { title: 'Bad Gateway', detail: 'It is broken.' }],
  ['as the error itself', { error: 'It is broken.', code: 502 }],
  ['in an object of any name', { wrong: { kind: 'broken', message: 'It is broken.' } }],
  ['in a list', [{ error: { code: 502, message: 'It is broken.' } }]],
  ['behind an empty text', { message: '', error: { message: 'It is broken.' } }],
])('doctor finds the reason in an error: %s', (_name, body) => expect(errorText(body)).toBe('It is broken.'))

test.each([[undefined], [null], ['It is broken.'], [{}], [{ error: { code: 502, param: null } }]])(
  'there is none in %p',
  (body) => expect(errorText(body)).toBeUndefined(),
)
