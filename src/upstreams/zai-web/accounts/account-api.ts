import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { parseJson } from '../../../core/json.ts'
import type { WebClient, WebResponse } from '../client.ts'
import { bodyError } from '../errors.ts'
import type { FrontEndVersion } from '../front-end-version.ts'

const cleanupTimeoutMs = 5_000

/** The account or guest that a call is made as. */
export interface WebAccount {
  kind: 'user' | 'guest' | 'backup'
  token: string
  userId: string
  userName: string
}

/**
 * The site's requests about accounts. Source: `GET /api/v1/auths/` creates a guest if it gets no token; otherwise it
 * renews or refuses the token.
 */
export interface AccountApi {
  auths(token: string | undefined): Promise<WebResponse>
  /** Never rejects, because it only tidies up, and the site removes a guest after a few minutes anyway. */
  deleteChats(account: WebAccount): Promise<void>
}

export function accountApi(client: WebClient, version: FrontEndVersion): AccountApi {
  return {
    // Several calls share the answer, so none of them may abort the request.
    async auths(token) {
      const { signal } = new AbortController()
      const known = await version.current(signal)
      return client.fetchWhole('/api/v1/auths/', { version: known, signal, ...(token === undefined ? {} : { token }) })
    },
    async deleteChats({ token }) {
      const { signal } = new AbortController()
      try {
        const known = await version.current(signal)
        const timeoutMs = cleanupTimeoutMs
        await client.fetchWhole('/api/v1/chats/', { method: 'DELETE', token, version: known, signal, timeoutMs })
      } catch {
        // No call waits for this request.
      }
    },
  }
}

const AccountAnswer = Type.Object(
  {
    id: Type.String(),
    token: Type.String({ minLength: 1 }),
    name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    email: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    role: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { additionalProperties: true },
)
export type AccountAnswer = Static<typeof AccountAnswer>

/** The account in an answer. Throws the error that any other answer stands for. */
export function accountAnswer(answer: WebResponse): AccountAnswer {
  const body = parseJson(answer.text)
  if (answer.ok && Value.Check(AccountAnswer, body)) return body
  throw bodyError(answer.status, answer.contentType, answer.text)
}

export function webAccountOf(kind: WebAccount['kind'], answer: AccountAnswer): WebAccount {
  return {
    kind,
    token: answer.token,
    userId: tokenClaims(answer.token).id ?? answer.id,
    userName: answer.name ?? 'User',
  }
}

/** A firewall in front of the site also answers 403, with a page, and knows nothing of tokens. */
export function isRefusal({ status, contentType }: WebResponse): boolean {
  return status === 401 || (status === 403 && contentType.includes('json'))
}

/** The answer for a revoked token is 200 with a new guest. */
export function isGuestInstead(answer: AccountAnswer, token: string): boolean {
  return isGuest(answer.email, answer.role) && !isGuest(tokenClaims(token).email)
}

function isGuest(email: string | null | undefined, role?: string | null): boolean {
  return role === 'guest' || /^guest-.*@guest\.com$/i.test(email ?? '')
}

/** The claims in the token; empty if it is no JWT. */
export function tokenClaims(token: string): { id?: string; email?: string } {
  const payload = parseJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  if (typeof payload !== 'object' || payload === null) return {}
  const fields = new Map<string, unknown>(Object.entries(payload))
  const id = ['id', 'user_id', 'uid', 'sub'].map((name) => fields.get(name)).find((value) => typeof value === 'string')
  const email = fields.get('email')
  return { ...(typeof id === 'string' ? { id } : {}), ...(typeof email === 'string' ? { email } : {}) }
}
