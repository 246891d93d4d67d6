import { type AccessParts, createAccess } from '../http/access.ts'
import type { AppOptions } from './options.ts'

/** `createAccess` with the settings in force, which may change while the gateway runs. */
export function currentAccess(settings: AppOptions['settings'], parts: AccessParts): ReturnType<typeof createAccess> {
  let { access } = settings
  let check = createAccess(access, parts)
  return (request, requirement) => {
    if (access !== settings.access) {
      access = settings.access
      check = createAccess(access, parts)
    }
    return check(request, requirement)
  }
}
