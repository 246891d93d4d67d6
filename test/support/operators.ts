import { systemClock } from '../../src/async/system-clock.ts'
import type { Clock } from '../../src/core/clock.ts'
import type { AccessOptions } from '../../src/http/access.ts'
import { createOperatorAccess } from '../../src/http/operator-access.ts'
import { createSignInSessions } from '../../src/http/sign-in-sessions.ts'
import { createWrongKeys } from '../../src/http/wrong-keys.ts'

/** Who is the operator of a gateway with this access. `peerOf` gives the address that a request comes from. */
export function operatorsOf(
  access: () => AccessOptions,
  { clock = systemClock, peerOf = () => '192.0.2.1' }: { clock?: Clock; peerOf?: (request: Request) => string } = {},
) {
  return createOperatorAccess({
    ...{ access, keyHeaders: ['api-key', 'x-api-key'] },
    sessions: createSignInSessions(clock, (bytes) => crypto.getRandomValues(bytes)),
    wrongKeys: createWrongKeys(clock, peerOf),
  })
}
