import { expect, test } from 'bun:test'
import { completionRoute, errorFrame, frames, indexPage, json } from '../../support/chat-zai.ts'
import { all, auths, captcha, chats, setUp, textOf, tokensTo, unauthorized } from './opening.ts'

const page = 'GET /'
const outdated = () => errorFrame({ code: 426, detail: 'Your client version (unknown) is outdated.' })
const badSignature = () => json({ detail: '403: Signature validation failed: 签名验证失败' }, 400)
const internal = () => errorFrame({ code: 'INTERNAL_ERROR', detail: 'Something broke.' })
const empty = () => frames({ done: true, phase: 'done', delta_content: '' })
const firewall = () =>
  new Response('<!doctypehtml><title>405</title><a href="https://errors.aliyun.com/">', {
    status: 405,
    headers: { 'content-type': 'text/html' },
  })

test.each([
  ['an outdated front end', outdated, 'new-version', 'upstream_client_outdated', 2],
  ['a firewall page', firewall, 'new-version', 'upstream_blocked', 2],
  ['a rejected signature', badSignature, 'new-version', 'upstream_signature_rejected', 2],
  ['a fault of the server', internal, 'again', 'upstream_error', 1],
  ['an HTTP 502', () => json({}, 502), 'again', 'upstream_error', 1],
  ['an empty reply', empty, 'again', 'upstream_empty_response', 1],
] as const)('%s is tried again once, in a new chat', async (_name, reply, recovery, code, pages) => {
  const { zai, make, call, notes } = setUp()
  zai.script(completionRoute, reply)
  expect(await textOf(make().open(call()))).toBe('Hello there.')
  expect(notes).toEqual([`retry (${recovery}) after ${code}`])
  expect(zai.to(chats)).toHaveLength(2)
  expect(zai.to(page)).toHaveLength(pages)
  expect(tokensTo(zai, auths)).toHaveLength(1)
})

test('a broken connection is retried once, and the log says that the call may have run', async () => {
  const { zai, make, call, notes } = setUp()
  zai.script(completionRoute, () => Promise.reject(new TypeError('reset')))
  expect(await textOf(make().open(call()))).toBe('Hello there.')
  expect(notes).toEqual(['retry (again) after upstream_unavailable, which may have been carried out'])
})

test.each([
  ['an outdated front end', outdated, 'upstream_client_outdated'],
  ['a firewall page', firewall, 'upstream_blocked'],
  ['a rejected signature', badSignature, 'upstream_signature_rejected'],
  ['an empty reply', empty, 'upstream_empty_response'],
] as const)('%s a second time is told', async (_name, reply, code) => {
  const { zai, make, call } = setUp()
  zai.script(completionRoute, reply, reply)
  await expect(make().open(call())).rejects.toMatchObject({ code })
  expect(zai.to(completionRoute)).toHaveLength(2)
})

test('after an outdated front end the new version is sent', async () => {
  const { zai, make, call } = setUp()
  zai.script(page, new Response(indexPage('prod-fe-1.1.98')), new Response(indexPage('prod-fe-1.1.99')))
  zai.script(completionRoute, outdated)
  await all(make().open(call()))
  expect(zai.to(completionRoute).map(({ headers }) => headers['x-fe-version'])).toEqual([
    'prod-fe-1.1.98',
    'prod-fe-1.1.99',
  ])
})

test('a captcha is not retried', async () => {
  const { zai, make, call, notes } = setUp()
  zai.script(completionRoute, captcha)
  await expect(make().open(call())).rejects.toMatchObject({ kind: 'upstream-blocked', code: 'captcha_required' })
  expect(zai.to(completionRoute)).toHaveLength(1)
  expect(notes).toEqual([])
})

test('a third different failure is not retried', async () => {
  const { zai, make, call, notes } = setUp()
  zai.script(completionRoute, outdated, internal, unauthorized)
  await expect(make().open(call())).rejects.toMatchObject({ code: 'upstream_auth_failed' })
  expect(notes).toHaveLength(2)
})
