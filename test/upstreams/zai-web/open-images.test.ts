import { expect, test } from 'bun:test'
import type { ImagePart } from '../../../src/core/request.ts'
import type { Model } from '../../../src/core/upstream.ts'
import { completionRoute, fieldOf, json } from '../../support/chat-zai.ts'
import { all, model, setUp, tokensTo } from './opening.ts'

const files = 'POST /api/v1/files/'
const vision: Model = { ...model, id: 'GLM-4.6V', upstreamId: 'glm-4.6v', vision: true }
const image: ImagePart = { type: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AAAA' } }
const withImage = { messages: [{ role: 'user' as const, parts: [image] }] }

test('an image is uploaded under the account and added to the message', async () => {
  const { zai, make, call } = setUp()
  const token = zai.addAccount('Alice')
  await all(make({ tokens: [token] }).open(call(withImage, { model: vision })))
  expect(tokensTo(zai, files)).toEqual([token])
  expect(zai.to(completionRoute)[0]?.body).toMatchObject({
    messages: [
      {
        role: 'user',
        content: [{ type: 'text' }, { type: 'image_url', image_url: { url: expect.stringMatching(/^0f0f/) } }],
      },
    ],
    files: [{ type: 'image', status: 'uploaded' }],
  })
})

test.each([
  ['a guest', vision, []],
  ['a model that cannot see', model, ['some-token']],
] as const)('an image for %s is refused before the site is asked', async (_name, asked, tokens) => {
  const { zai, make, call } = setUp()
  await expect(make({ tokens: [...tokens] }).open(call(withImage, { model: asked }))).rejects.toMatchObject({
    kind: 'invalid-request',
    code: 'image_not_supported',
    param: 'messages',
  })
  expect(zai.seen).toHaveLength(0)
})

test('an image is uploaded once, and again after an error of the site', async () => {
  const { zai, make, call } = setUp()
  const web = make({ tokens: [zai.addAccount('Alice')] })
  const sent = async () => {
    await all(web.open(call(withImage, { model: vision })))
    return JSON.stringify(fieldOf(zai.to(completionRoute).at(-1)?.body, 'messages'))
  }
  const first = await sent()
  expect(await sent()).toBe(first)
  expect(zai.to(files)).toHaveLength(1)
  zai.script(completionRoute, json({ detail: 'file not found' }, 404))
  expect(await sent()).not.toBe(first)
  expect(zai.to(files)).toHaveLength(2)
})

test('with an image the backup account comes before any guest', async () => {
  const { zai, make, call } = setUp()
  const token = zai.addAccount('Backup')
  await all(make({ backupToken: token }).open(call(withImage, { model: vision })))
  expect(tokensTo(zai, completionRoute)).toEqual([token])
})
