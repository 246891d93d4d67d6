import { createHmac } from 'node:crypto'
import { GatewayError } from '../core/errors.ts'
import type { Route } from './route.ts'

/** The two ends of one connection to this gateway. */
export interface Ends {
  /** The gateway's. */
  port: number
  /** Whoever asks, as the gateway sees it. */
  peer: { address: string; port: number }
}

export const proofPath = '/proof'

const noncePattern = /^[0-9a-f]{64}$/

/**
 * `GET /proof?nonce=…`: shows that this gateway has the secret of its user, without telling it, so that a command of the
 * same user knows whom it would give a key to. Nonce and proof are 32 bytes in lower-case hexadecimal digits.
 *
 * The proof holds for the connection it is asked on alone: somebody in between, who passes the question on and the
 * answer back, has connections of his own, whose ports are others.
 */
export function identityRoutes(secret: string, endsOf: (request: Request) => Ends | undefined): Route[] {
  return [
    {
      method: 'GET',
      path: proofPath,
      access: 'open',
      handle({ request, query: { nonce = '' } }) {
        if (!noncePattern.test(nonce))
          throw new GatewayError('invalid-request', 'nonce: expected 64 hexadecimal digits', { param: 'nonce' })
        const ends = endsOf(request)
        if (ends === undefined) throw new GatewayError('not-found', 'There is no connection to prove anything about.')
        return proofOf(secret, ends, nonce)
      },
    },
  ]
}

export function proofOf(secret: string, { port, peer }: Ends, nonce: string): string {
  // A socket for both families writes IPv4 addresses as IPv6 ones.
  const address = peer.address.replace(/^::ffff:/i, '')
  const said = ['zai2api gateway', port, address, peer.port, nonce].join('\n')
  return createHmac('sha256', secret).update(said).digest('hex')
}
