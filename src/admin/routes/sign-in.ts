import type { Clock } from '../../core/clock.ts'
import type { OperatorAccess } from '../../http/operator-access.ts'
import type { Route } from '../../http/route.ts'
import { adminRoute } from '../route.ts'
import { Operator, SignIn } from '../schema/sign-in.ts'

export interface SignInOptions {
  clock: Clock
  operators: OperatorAccess
}

/** `/admin/api/session`: signing in and out of the page. */
export function signInRoutes({ clock, operators }: SignInOptions): Route[] {
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/session',
        summary: 'Who asks',
        description: 'Refused with the number of tries that are left, where a key is needed.',
        answer: Operator,
        handle: ({ request }) => ({ operator: true as const, how: operators.admit(request).how }),
      },
      { clock },
    ),
    adminRoute(
      {
        method: 'POST',
        path: '/session',
        access: 'sign-in',
        summary: 'Sign in with the key of the operator',
        description:
          'Answers with a cookie for the page. Five wrong keys a minute are answered for each address they come from, and the right one at any time.',
        body: SignIn,
        handle: async ({ request, body }) => emptyWith(await operators.signIn(request, body.token)),
      },
      { clock },
    ),
    adminRoute(
      {
        method: 'DELETE',
        path: '/session',
        summary: 'Sign out',
        handle: async ({ request }) => emptyWith(await operators.signOut(request)),
      },
      { clock },
    ),
  ]
}

function emptyWith(cookie: string): Response {
  return new Response(null, { status: 204, headers: { 'set-cookie': cookie } })
}
