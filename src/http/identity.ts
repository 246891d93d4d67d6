import { createHmac } from 'node:crypto'
import { GatewayError, invalidField } from '../core/errors.ts'
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
 * `GET /proof?nonce=…` proves that this gateway has the secret of its user without revealing it. The user's commands ask
 * for the proof before they send a key. Nonce and proof are 32 bytes as lower-case hexadecimal digits.
 *
 * The proof is valid only for the connection it is requested on, whose ports are part of it: a relay has connections
 * with other ports.
 */
export function identityRoutes(secret: string, endsOf: (request: Request) => Ends | undefined): Route[] {
  return [
    {
      method: 'GET',
      path: proofPath,
      access: 'open',
      handle({ request, query: { nonce = '' } }) {
        if (!noncePattern.test(nonce)) throw invalidField('nonce', 'expected 64 hexadecimal digits')
        const ends = endsOf(request)
        if (ends === undefined) throw new GatewayError('not-found', 'There is no connection to prove anything about.')
        return proofOf(secret, ends, nonce)
      },
    },
  ]
}

export function proofOf(secret: string, { port, peer }: Ends, nonce: string): string {
  // A socket for both families writes IPv4 addresses in IPv6 form.
  const address = peer.address.replace(/^::ffff:/i, '')
  const said = ['zai2api gateway', port, address, peer.port, nonce].join('\n')
  return createHmac('sha256', secret).update(said).digest('hex')
}
