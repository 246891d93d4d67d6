import { type Caller, masterKeyId } from '../core/caller.ts'
import type { Dialect } from '../core/dialect.ts'
import { GatewayError } from '../core/errors.ts'
import { type AccessOptions, rejectOtherDialect } from './access.ts'
import { localCaller } from './client-keys.ts'

/**
 * The caller with this id, for requests that run later than they were sent. Its key must still be allowed to use the
 * dialect. Errors: `unauthorized`, `forbidden`, and those of `issuedCaller`.
 */
export function callerOfKey(
  keyId: string,
  { id: dialect, credentials }: Dialect,
  { keys, policy }: AccessOptions,
  issuedCaller: (keyId: string) => Caller | undefined,
): Caller {
  const isOpen = !keys.some(({ caller }) => caller.scope.some((scope) => scope !== 'operator'))
  const configured = keys.find(({ caller }) => caller.keyId === keyId && caller.scope.includes(credentials))?.caller
  const local = isOpen && keyId === masterKeyId ? localCaller(policy) : undefined
  const caller = configured ?? local ?? issuedCaller(keyId)
  if (caller === undefined)
    throw new GatewayError('unauthorized', 'The key that sent this does not exist any more.', {
      code: 'invalid_api_key',
    })
  rejectOtherDialect(caller, { access: 'client', dialect })
  return caller
}
