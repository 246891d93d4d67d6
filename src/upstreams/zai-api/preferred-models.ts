import type { Upstream } from '../../core/upstream.ts'

type Preferred = NonNullable<Upstream['preferred']>

/** The models that the vendor itself uses for "haiku", then those of its free service. */
const small = ['GLM-4.5-Air', 'GLM-4.7', 'GLM-4.7-Flash', 'GLM-4.5-Flash']

/**
 * Newest first: the models to use in place of other vendors' models, and for agents. The coding plan answers requests
 * for GLM-5.1 and GLM-5.2 with GLM-5.3 without saying so.
 * Source: the vendor's settings for Claude Code, and reports of its users, 2026-11.
 */
export const preferred = {
  general: {
    primary: ['GLM-5.4', 'GLM-5.3', 'GLM-5.2', 'GLM-5.1', 'GLM-5', 'GLM-4.7', 'GLM-4.6', 'GLM-4.5'],
    small,
  },
  codingPlan: { primary: ['GLM-5.4', 'GLM-5.3', 'GLM-5-Turbo', 'GLM-4.7', 'GLM-4.6', 'GLM-4.5'], small },
} satisfies Record<string, Preferred>
