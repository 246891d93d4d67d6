import { signal } from '@preact/signals'
import type { AdminError } from '../../admin/schema/error.ts'
import { root } from '../router.ts'

/** Why a call failed, in the words of the gateway. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string | undefined
  /** The field of the request that is wrong. */
  readonly param: string | undefined
  readonly attemptsLeft: number | undefined
  readonly retryAfter: number | undefined

  constructor(status: number, message: string, facts: Partial<AdminError['error']> = {}, retryAfter?: number) {
    super(message)
    this.status = status
    this.code = facts.code ?? undefined
    this.param = facts.param ?? undefined
    this.attemptsLeft = facts.attempts_left
    this.retryAfter = retryAfter
  }
}

/** The gateway asks the operator to sign in. */
export const locked = signal(false)

/** What a call of `/admin/api` answers with. Errors: ApiError; status 0 if the gateway cannot be reached. */
export async function call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  let response: Response
  try {
    response = await fetch(`${root}admin/api/${path}`, {
      method,
      signal: signal ?? null,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
  } catch (thrown) {
    if (signal?.aborted) throw thrown
    throw new ApiError(0, '')
  }
  if (response.ok) return response
  const error = await errorOf(response)
  if (error.status === 401 && path !== 'session') locked.value = true
  throw error
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await call('GET', path, undefined, signal)).json()
}

/** Where the answer has no content, `T` is null. */
export async function send<T>(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const text = await (await call(method, path, body)).text()
  return JSON.parse(text || 'null')
}

/** Every dialect has its own shape of errors; all have a message somewhere. */
export async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '')
  const retryAfter = Number(response.headers.get('retry-after')) || undefined
  try {
    const { error } = JSON.parse(text)
    if (typeof error === 'string') return new ApiError(response.status, error, {}, retryAfter)
    return new ApiError(response.status, String(error.message), error, retryAfter)
  } catch {
    return new ApiError(response.status, text.slice(0, 300) || `HTTP ${response.status}`, {}, retryAfter)
  }
}
