import type { Upstream } from '../../core/upstream.ts'

type Preferred = NonNullable<Upstream['preferred']>

/** What the vendor itself has "haiku" stand for, and what its free service has. */
const small = ['GLM-4.5-Air', 'GLM-4.7', 'GLM-4.7-Flash', 'GLM-4.5-Flash']

/**
 * Newest first: the models that stand for those of other vendors, and for agents.
 * The coding plan answers for GLM-5.1 and GLM-5.2 with GLM-5.3 and does not say so.
 * Source: the vendor's settings for Claude Code, and its users, of 2026-11.
 */
export const preferred = {
  general: {
    primary: ['GLM-5.4', 'GLM-5.3', 'GLM-5.2', 'GLM-5.1', 'GLM-5', 'GLM-4.7', 'GLM-4.6', 'GLM-4.5'],
    small,
  },
  codingPlan: { primary: ['GLM-5.4', 'GLM-5.3', 'GLM-5-Turbo', 'GLM-4.7', 'GLM-4.6', 'GLM-4.5'], small },
} satisfies Record<string, Preferred>
