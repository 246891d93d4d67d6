import type { MessageHead } from '../core/call-observer.ts'
import { GatewayError } from '../core/errors.ts'

/** Where a request goes when it is sent again; what is absent stays as it was. */
export interface ReplayTarget {
  model?: string
  upstream?: string
}

/** Headers that change what a request asks for. All others say who asked. */
const kept = /^(?:anthropic-|openai-|x-thinking-processing$)/

/**
 * A captured request of a client, to be sent again by the operator. Errors: `invalid-request` for one whose body names no
 * model.
 */
export function replayOf({ url = '', headers }: MessageHead, body: string, target: ReplayTarget): Request {
  return new Request(url, {
    method: 'POST',
    headers: [
      ...headers
        .filter(([name]) => kept.test(name.toLowerCase()))
        .map(([name, value]): [string, string] => [name, value]),
      ['content-type', 'application/json'],
      ['user-agent', 'zai2api-replay'],
    ],
    body: target.model === undefined && target.upstream === undefined ? body : redirected(body, target),
  })
}

/** The same body for another model or upstream: the model `zai-web/GLM-4.7` goes to the upstream `zai-web`. */
function redirected(body: string, { model, upstream }: ReplayTarget): string {
  const parsed = parsedObject(body)
  const asked = model ?? parsed?.model
  if (parsed === undefined || typeof asked !== 'string')
    throw new GatewayError('invalid-request', 'The body of this request is no JSON object with a model.', {
      status: 409,
      code: 'not_replayable',
    })
  return JSON.stringify({ ...parsed, model: upstream === undefined ? asked : `${upstream}/${asked}` })
}

function parsedObject(body: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : undefined
  } catch {
    return undefined
  }
}
