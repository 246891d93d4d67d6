/** How much of a plan has been used. */
export interface Quota {
  /** `pro` */
  plan: string | undefined
  limits: QuotaLimit[]
}

export interface QuotaLimit {
  /** `tool-calls`: calls of the vendor's own tools. `other`: an unknown kind. */
  kind: 'tokens' | 'tool-calls' | 'credits' | 'other'
  window: { unit: 'hour' | 'week' | 'month'; count: number } | undefined
  /** 0 to 100. */
  usedPercent: number | undefined
  used: number | undefined
  total: number | undefined
  remaining: number | undefined
  /** Epoch milliseconds. */
  resetsAt: number | undefined
}

/** One line: `pro, 5 hours 7 %, week 44 %`. */
export function quotaSummary({ plan, limits }: Quota): string {
  const used = limits.map((limit) => `${limitTitle(limit)} ${usedPercent(limit)}`)
  return [plan ?? 'no plan', ...used].join(', ')
}

/** `5 hours`, `week`, `month (tool calls)` */
export function limitTitle({ kind, window }: QuotaLimit): string {
  const span = window && (window.count === 1 ? window.unit : `${window.count} ${window.unit}s`)
  const what = { tokens: undefined, 'tool-calls': 'tool calls', credits: 'credits', other: 'other' }[kind]
  if (span === undefined) return what ?? 'tokens'
  return what === undefined ? span : `${span} (${what})`
}

/** `7 %`, or `?` if it is not known. */
export function usedPercent({ usedPercent: percent }: QuotaLimit): string {
  return percent === undefined ? '?' : `${Math.round(percent)} %`
}
