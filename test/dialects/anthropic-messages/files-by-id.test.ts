import { describe, expect, test } from 'bun:test'
import { thrownBy } from '../stream.ts'
import { assistant, decode, result, user, words } from './decoding.ts'

test('files by their ids in older turns are a sentence, and named', () => {
  const stored = { type: 'file', file_id: 'f' }
  const request = decode(
    {
      role: 'user',
      content: [
        { type: 'image', source: stored },
        { type: 'document', source: stored },
        { type: 'container_upload', file_id: 'f' },
        { type: 'tool_result', tool_use_id: 't', content: [{ type: 'image', source: stored }] },
        { type: 'image_url', image_url: { url: 'a.png' } },
      ],
    },
    { role: 'assistant', content: [words('Well'), { type: 'container_upload', file_id: 'f' }] },
    { role: 'user', content: 'So?' },
  )
  const attached = (type: string) => words(`[${type} was attached here; it cannot be read.]`)
  expect(request.messages).toEqual([
    result('t', attached('image')),
    user(attached('image'), attached('document'), attached('container_upload'), attached('image_url')),
    assistant(words('Well')),
    user(words('So?')),
  ])
  expect(request.ignored).toEqual([
    'messages.0.content.0 (image)',
    'messages.0.content.1 (document)',
    'messages.0.content.2 (container_upload)',
    'messages.0.content.3.content.0 (image)',
    'messages.0.content.4 (image_url)',
    'messages.1.content.1 (container_upload)',
  ])
})

describe('files by their ids are refused where the user has just sent them', () => {
  const stored = 'files by id are not stored here; send the content as base64, text or a URL.'
  const upload =
    'container_upload names a file by its id, and files are not stored here; send its content as a document.'
  test.each<[string, object, string, string]>([
    ['an upload', { type: 'container_upload', file_id: 'f' }, '', `: ${upload}`],
    [
      'an upload in a result',
      { type: 'tool_result', tool_use_id: 't', content: [{ type: 'container_upload', file_id: 'f' }] },
      '.content.0',
      `: ${upload}`,
    ],
    ['OpenAI’s image', { type: 'input_image', file_id: 'f' }, '.file_id', `: ${stored}`],
    ['OpenAI’s file', { type: 'file', file: { file_id: 'f' } }, '.file_id', `: ${stored}`],
    [
      'an image of nothing',
      { type: 'image' },
      '.source',
      ': a source is required, of the type base64 with media_type and data, or url with url.',
    ],
    [
      'an image from nowhere',
      { type: 'image_url', image_url: { url: 'a.png' } },
      '.image_url',
      ': expected an http(s) URL or a base64 data URL.',
    ],
  ])('%s', (_name, block, path, message) => {
    const param = `messages.0.content.1${path}`
    expect(thrownBy(() => decode({ role: 'user', content: [words('a'), block] }))).toMatchObject({
      kind: 'invalid-request',
      param,
      message: param + message,
    })
  })
})
