import type { Clock } from '../../core/clock.ts'
import type { Route } from '../../http/route.ts'
import type { Keys } from '../../keys/index.ts'
import { adminRoute } from '../route.ts'
import { KeyChange, KeyList, KeyView, KeyWithSecret, NewKey, Prices } from '../schema/keys.ts'

export interface KeyRouteOptions {
  clock: Clock
  keys: Keys
}

/**
 * `/admin/api/keys`: the same as `zai2api key`. A key is named by its id, its name or the beginning of its secret. What
 * the members may hold is checked by `readKeyChange`, so that the command line and these routes refuse the same.
 */
export function keyRoutes({ clock, keys }: KeyRouteOptions): Route[] {
  const one = '/keys/:id'
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/keys',
        summary: 'All keys of clients',
        answer: KeyList,
        handle: async () => ({ keys: await keys.list() }),
      },
      { clock },
    ),
    adminRoute(
      {
        method: 'POST',
        path: '/keys',
        summary: 'Create a key',
        description: `The secret is in this answer and in no other. ${plan}`,
        body: NewKey,
        answer: KeyWithSecret,
        handle: ({ body }) => keys.create(body),
      },
      { clock },
    ),
    adminRoute(
      {
        method: 'GET',
        path: '/prices',
        summary: 'What models cost, for budgets',
        description: 'For a million tokens. Models whose price is not known are among the models alone.',
        answer: Prices,
        handle: () => ({ prices: keys.prices(), models: keys.models() }),
      },
      { clock },
    ),
    adminRoute(
      {
        method: 'GET',
        path: one,
        summary: 'One key, and what is left of its budgets',
        answer: KeyView,
        handle: ({ params }) => keys.show(params.id ?? ''),
      },
      { clock },
    ),
    adminRoute(
      {
        method: 'PATCH',
        path: one,
        summary: 'Change a key',
        description: 'What is not named stays; null takes a limit away. Budgets that stay keep what was spent.',
        body: KeyChange,
        answer: KeyView,
        handle: ({ params, body }) => keys.change(params.id ?? '', body),
      },
      { clock },
    ),
    adminRoute(
      {
        method: 'DELETE',
        path: one,
        summary: 'Delete a key',
        description: 'It is refused at once; requests under way come to their end.',
        async handle({ params }) {
          await keys.delete(params.id ?? '')
          return undefined
        },
      },
      { clock },
    ),
    adminRoute(
      {
        method: 'POST',
        path: `${one}/rotate`,
        summary: 'Give a key a new secret',
        description: 'The old one is refused at once.',
        answer: KeyWithSecret,
        handle: ({ params }) => keys.rotate(params.id ?? ''),
      },
      { clock },
    ),
    adminRoute(
      {
        method: 'POST',
        path: `${one}/reset`,
        summary: 'Begin the budgets of a key anew',
        description: 'What was spent is forgotten, and what requests under way cost does not count.',
        answer: KeyView,
        handle: ({ params }) => keys.reset(params.id ?? ''),
      },
      { clock },
    ),
  ]
}

const plan =
  "Z.AI's coding plan is for one person and for the tools that it supports: whoever shares it through keys risks the account. The general API has no such rule."
