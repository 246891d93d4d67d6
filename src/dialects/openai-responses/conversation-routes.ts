import { type Static, Type } from '@sinclair/typebox'
import type { ConversationRoute, DialectRoute } from '../../core/dialect-route.ts'
import { GatewayError } from '../../core/errors.ts'
import type { ConversationFormat, StoredResponse } from '../../core/stored-conversation.ts'
import { truncate } from '../../core/truncate.ts'
import { type Fields, fieldsOf } from '../openai/json-fields.ts'
import { conversationNotFound } from './conversation-id.ts'
import { encodeReply } from './encode.ts'
import { pageOf, pageParameters } from './page.ts'
import type { ResponsesOptions } from './response.ts'
import { storedConversationOf } from './stored-conversation.ts'
import { storedItem } from './stored-item.ts'

const metadata = Type.Optional(Type.Union([Type.Null(), Type.Record(Type.String(), Type.Unknown())]))
const items = Type.Array(Type.Record(Type.String(), Type.Unknown()))
const creation = Type.Object({ items: Type.Optional(Type.Union([Type.Null(), items])), metadata })
const update = Type.Object({ metadata })
const addition = Type.Object({ items })

const idPrefix = 'conv_'
const common = { serves: 'conversation', access: 'client' } as const

/** The routes of OpenAI's Conversations API: conversations, to which responses are added, and their items. */
export const conversationRoutes: (DialectRoute & ConversationRoute)[] = [
  {
    ...common,
    method: 'POST',
    path: '/conversations',
    summary: 'Begin a conversation',
    body: creation,
    answer(conversation, { body, newId }) {
      const { items = [], metadata } = body as Static<typeof creation>
      const reply = { ...conversation.reply, metadata: metadata ?? {} }
      return { answer: reply, changed: { ...conversation, reply, input: withIds(items ?? [], newId) } }
    },
    docs: {
      description: 'The conversation, without its items.',
      example: { items: [{ role: 'user', content: 'Hello' }], metadata: { topic: 'demo' } },
    },
  },
  {
    ...common,
    method: 'GET',
    path: '/conversations/:id',
    summary: 'A conversation',
    answer: ({ reply }) => ({ answer: reply }),
    docs: { description: 'The conversation, without its items.' },
  },
  {
    ...common,
    method: 'POST',
    path: '/conversations/:id',
    summary: 'Change the metadata of a conversation',
    body: update,
    answer(conversation, { body }) {
      const { metadata } = body as Static<typeof update>
      const reply = { ...conversation.reply, metadata: metadata ?? {} }
      return { answer: reply, changed: { ...conversation, reply } }
    },
    docs: { description: 'The conversation, without its items.', example: { metadata: { topic: 'demo' } } },
  },
  {
    ...common,
    method: 'DELETE',
    path: '/conversations/:id',
    summary: 'Forget a conversation',
    deletes: true,
    answer: ({ id }) => ({ answer: { id, object: 'conversation.deleted', deleted: true } }),
    docs: { description: 'It is forgotten; responses that were added to it are not.' },
  },
  {
    ...common,
    method: 'GET',
    path: '/conversations/:id/items',
    summary: 'The items of a conversation',
    answer: ({ input }, { query }) => ({ answer: pageOf(input, query) }),
    docs: { description: 'One page of them.', parameters: pageParameters },
  },
  {
    ...common,
    method: 'POST',
    path: '/conversations/:id/items',
    summary: 'Add items to a conversation',
    body: addition,
    answer(conversation, { body, newId }) {
      const added = withIds((body as Static<typeof addition>).items, newId)
      const page = pageOf(added, { order: 'asc', limit: String(Math.min(100, Math.max(1, added.length))) })
      return { answer: page, changed: { ...conversation, input: [...conversation.input, ...added] } }
    },
    docs: { description: 'The items that were added.', example: { items: [{ role: 'user', content: 'Hello' }] } },
  },
  {
    ...common,
    method: 'GET',
    path: '/conversations/:id/items/:item',
    summary: 'An item of a conversation',
    answer: (conversation, { params }) => ({ answer: itemOf(conversation, params.item) }),
    docs: { description: 'The item.' },
  },
  {
    ...common,
    method: 'DELETE',
    path: '/conversations/:id/items/:item',
    summary: 'Remove an item from a conversation',
    answer(conversation, { params }) {
      const removed = itemOf(conversation, params.item)
      const input = conversation.input.filter((item) => item !== removed)
      return { answer: conversation.reply, changed: { ...conversation, input } }
    },
    docs: { description: 'The conversation, without its items.' },
  },
]

export const conversations: ConversationFormat<ResponsesOptions> = {
  idPrefix,
  begin: (newId, nowSeconds) => {
    const id = newId(idPrefix)
    return { id, reply: { id, object: 'conversation', created_at: nowSeconds, metadata: {} }, input: [] }
  },
  notFound: conversationNotFound,
  additions(head, reply, options) {
    const { conversation } = options
    if (conversation === undefined) return undefined
    const { output } = encodeReply(head, reply, options)
    const added = storedConversationOf(head, options).slice(conversation.length)
    return { id: conversation.id, items: [...added, ...(output as Fields[])] }
  },
}

function withIds(items: readonly Fields[], newId: (prefix: string) => string): Fields[] {
  return items.map((item) => storedItem(fieldsOf(item), newId('')))
}

function itemOf({ id, input }: StoredResponse, itemId = ''): Fields {
  const item = input.find((one) => one.id === itemId)
  if (item) return item
  throw new GatewayError('not-found', `The conversation '${truncate(id)}' has no item '${truncate(itemId)}'.`, {
    code: 'item_not_found',
    param: 'item_id',
  })
}
