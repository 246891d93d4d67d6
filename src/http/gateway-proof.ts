import { createHmac } from 'node:crypto'
import { GatewayError, invalidField } from '../core/errors.ts'
import type { Route } from './route.ts'

/** The two ends of one connection to this gateway. */
export interface Ends {
  /** The gateway's end. The address is the configured one, which may stand for all addresses of the machine. */
  server: { address: string; port: number }
  /** The client's end, as the gateway sees it. */
  peer: { address: string; port: number }
}

export const proofPath = '/proof'

const noncePattern = /^[0-9a-f]{64}$/

/**
 * `GET /proof?nonce=…` proves that this gateway has the secret of its user without revealing it. The user's commands ask
 * for the proof before they send a key. Nonce and proof are 32 bytes as lower-case hexadecimal digits.
 *
 * The proof is valid only for the connection it is requested on: both ends are part of it. The ports alone would not do,
 * because a relay can listen on the same port of another address, such as 127.0.0.2, and keep so many connections to
 * the gateway open that one of them comes from the port the question came from.
 */
export function proofRoutes(secret: string, endsOf: (request: Request) => Ends | undefined): Route[] {
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

export function proofOf(secret: string, { server, peer }: Ends, nonce: string): string {
  const ends = [server, peer].flatMap(({ address, port }) => [plainAddress(address), port])
  const message = ['zai2api gateway', ...ends, nonce].join('\n')
  return createHmac('sha256', secret).update(message).digest('hex')
}

/** A socket for both families writes IPv4 addresses in IPv6 form. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:/i, '').toLowerCase()
}
