import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { AttemptObserver } from '../../core/call-observer.ts'
import type { Clock } from '../../core/clock.ts'
import type { GatewayError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'
import type { HttpResponse } from '../../http-client/send.ts'
import type { WebAccount } from './accounts/account-api.ts'
import type { WebClient, WebResponse } from './client.ts'
import type { Encoded } from './encode.ts'
import { bodyError } from './errors.ts'
import { sign } from './signature.ts'

export interface CompleteOptions {
  client: WebClient
  clock: Clock
  newUuid: () => string
  completionPath: string
  signingKey: string
  sign: boolean
  createChat: boolean
}

export interface CompleteCall {
  account: WebAccount
  /** The version of the site's web page. */
  version: string
  signal: AbortSignal
  observer?: AttemptObserver | undefined
  /** Called once the request for the reply is on its way. */
  onSent?: () => void
}

/** Asks for one reply: a chat, unless the site takes one that it does not know, then the completion in it. */
export async function complete(encoded: Encoded, call: CompleteCall, options: CompleteOptions): Promise<HttpResponse> {
  const chatId = options.createChat ? await newChat(encoded.chat, call, options.client) : options.newUuid()
  const { client, completionPath, clock, newUuid } = options
  const { token, userId } = call.account
  const pathname = `/c/${chatId}`
  const headers = { referer: `${client.origin}${pathname}` }
  const { version, signal, observer, onSent } = call
  const request = { method: 'POST', token, version, signal, observer, onSent } as const
  if (!options.sign)
    return client.open(completionPath, { ...request, headers, body: encoded.completion(chatId, false) })

  const at = clock.now()
  const requestId = newUuid()
  const signature = sign({ requestId, userId, at, prompt: encoded.prompt, key: options.signingKey })
  const query = new URLSearchParams({
    timestamp: String(at),
    requestId,
    user_id: userId,
    version: '0.0.1',
    platform: 'web',
    token,
    current_url: `${client.origin}${pathname}`,
    pathname,
    signature_timestamp: String(at),
  })
  return client.open(`${completionPath}?${query}`, {
    ...request,
    headers: { ...headers, 'x-signature': signature },
    body: encoded.completion(chatId, true),
  })
}

async function newChat(
  chat: object,
  { account: { token }, version, signal, observer }: CompleteCall,
  client: WebClient,
): Promise<string> {
  const answer = await client.fetchWhole('/api/v1/chats/new', {
    ...{ method: 'POST', token, version, body: chat, signal, observer },
  })
  const id = answer.ok ? chatIdIn(answer.text) : undefined
  if (id === undefined) throw answerError(answer)
  return id
}

const id = Type.String({ minLength: 1 })
const NewChat = Type.Union([Type.Object({ id }), Type.Object({ chat: Type.Object({ id }) })])

function chatIdIn(text: string): string | undefined {
  const answer = parseJson(text)
  if (!Value.Check(NewChat, answer)) return undefined
  return 'id' in answer ? answer.id : answer.chat.id
}

/** What an answer that should have been another says went wrong. */
export function answerError({ status, contentType, text }: WebResponse): GatewayError {
  return bodyError(status, contentType, text)
}
