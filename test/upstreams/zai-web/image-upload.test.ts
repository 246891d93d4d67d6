import { describe, expect, test } from 'bun:test'
import type { ImagePart } from '../../../src/core/request.ts'
import type { WebAccount } from '../../../src/upstreams/zai-web/accounts/account-api.ts'
import { createUploads, imageRefusal, uploadImages } from '../../../src/upstreams/zai-web/image-upload.ts'
import { json } from '../../support/chat-zai.ts'
import uploaded from './file_upload.json'
import { parts, signal } from './support.ts'

const route = 'POST /api/v1/files/'
const data = Buffer.from('not really a picture').toString('base64')
const base64 = (mediaType: string, text: string): ImagePart => ({
  type: 'image',
  source: { type: 'base64', mediaType, data: text },
})
const at = (url: string): ImagePart => ({ type: 'image', source: { type: 'url', url } })

function setUp() {
  const base = parts()
  const uploads = createUploads(base.clock)
  const account: WebAccount = { kind: 'user', token: base.zai.addAccount('Alice'), userId: 'u', userName: 'Alice' }
  const fetched: string[] = []
  const options = {
    ...base,
    uploads,
    account,
    signal,
    version: 'prod-fe-1.1.98',
    newUuid: () => uploaded.body_files_entry.itemId,
    maxImageBytes: 1_000,
    fetchImage: async (url: string) => {
      fetched.push(url)
      return { data: Buffer.from('fetched'), mediaType: 'image/webp' }
    },
  }
  const upload = (...images: ImagePart[]) => uploadImages(images, options)
  const uploadAs = (somebody: WebAccount, image: ImagePart) => uploadImages([image], { ...options, account: somebody })
  return { ...base, uploads, account, fetched, upload, uploadAs }
}

test.each([
  ['base64', base64('image/png', data), 'image-1.png', 'image/png', 'not really a picture'],
  ['a data URL', at(`data:image/jpeg;base64,${data}`), 'image-1.jpeg', 'image/jpeg', 'not really a picture'],
  [
    'a data URL with parameters',
    at(`data:image/svg+xml;charset=utf-8;base64,${data}`),
    'image-1.svg',
    'image/svg+xml',
    'not really a picture',
  ],
  ['an address', at('https://example.com/cat'), 'image-1.webp', 'image/webp', 'fetched'],
])('an image given as %s is sent as one form part', async (_name, image, name, type, bytes) => {
  const { zai, upload } = setUp()
  await upload(image)
  const [sent] = zai.to(route)
  const file = sent?.body instanceof Map ? sent.body.get('file') : undefined
  if (!(file instanceof File)) throw new Error('no file was sent')
  expect([file.name, file.type, await file.text()]).toEqual([name, type, bytes])
  expect(sent?.headers['content-type']).toStartWith('multipart/form-data; boundary=')
})

test('the file is referred to as the browser does', async () => {
  const { zai, upload } = setUp()
  const image = base64('image/png', data)
  zai.script(route, json(uploaded.response.body))
  const file = (await upload(image)).get(image)
  expect(file?.id).toBe(uploaded.response.body.id)
  expect(file?.entry(uploaded.body_files_entry.ref_user_msg_id)).toEqual(uploaded.body_files_entry)
})

describe('an image that is already uploaded', () => {
  const cat = () => base64('image/png', data)
  type World = ReturnType<typeof setUp>

  test.each<[string, number, (world: World) => Promise<unknown>]>([
    ['twice in one request, is sent once', 1, ({ upload }) => upload(cat(), cat())],
    ['in the next request, is not sent again', 1, ({ upload }) => upload(cat())],
    ['as a data URL, is not sent again', 1, ({ upload }) => upload(at(`data:image/png;base64,${data}`))],
    ['for another account, is sent again', 2, ({ uploadAs, account }) => uploadAs({ ...account }, cat())],
    [
      'for an hour, is sent again',
      2,
      async ({ clock, upload }) => {
        clock.advance(60 * 60_000)
        await upload(cat())
      },
    ],
    [
      'and may be gone, is sent again',
      2,
      async ({ uploads, account, upload }) => {
        uploads.forget(account)
        await upload(cat())
      },
    ],
  ])('%s', async (_name, times, next) => {
    const world = setUp()
    await world.upload(cat())
    await next(world)
    expect(world.zai.to(route)).toHaveLength(times)
  })

  test('is referred to under its name, as a new item', async () => {
    const { upload } = setUp()
    const image = cat()
    const [first, second] = [(await upload(image)).get(image), (await upload(image)).get(image)]
    expect(second?.id).toBe(first?.id)
    expect(second?.entry('the-next-message')).toMatchObject({ id: first?.id, ref_user_msg_id: 'the-next-message' })
  })

  test('is forgotten after 200 others', async () => {
    const { zai, upload } = setUp()
    const imageOf = (index: number) => base64('image/png', btoa(`picture ${index}`))
    for (let index = 0; index <= 200; index++) await upload(imageOf(index))
    await upload(imageOf(200), imageOf(1))
    expect(zai.to(route)).toHaveLength(201)
    await upload(imageOf(0))
    expect(zai.to(route)).toHaveLength(202)
  })
})

test.each([
  ['a type that is no image', base64('application/pdf', data)],
  ['no data', base64('image/png', '')],
  ['a data URL without base64', at('data:image/png,abc')],
  ['more bytes than MAX_IMAGE_BYTES allows', base64('image/png', Buffer.alloc(1_001).toString('base64'))],
])('an image with %s is refused before anything is sent', async (_name, image) => {
  const { zai, upload } = setUp()
  await expect(upload(image)).rejects.toMatchObject({
    kind: 'invalid-request',
    param: 'messages',
    code: 'invalid_image',
  })
  expect(zai.seen).toHaveLength(0)
})

test.each([
  ['a model that cannot see', { id: 'GLM-4.7', vision: false }, true, 'GLM-4.7 cannot see images'],
  ['a guest', { id: 'GLM-4.6V', vision: true }, false, 'ZAI_TOKEN'],
])('images are refused for %s, with advice', (_name, model, hasAccounts, words) => {
  expect(imageRefusal(model, hasAccounts)).toMatchObject({
    kind: 'invalid-request',
    param: 'messages',
    code: 'image_not_supported',
    message: expect.stringContaining(words),
  })
})

test('images are accepted with a vision model and an account', () => {
  expect(imageRefusal({ id: 'GLM-4.6V', vision: true }, true)).toBeUndefined()
})
