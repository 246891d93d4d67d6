import { isLoopback } from './policy.ts'
import type { Protection } from './table.ts'

/**
 * Whether a value protects less than another one of the same setting: `lifted` where nothing is left of the protection,
 * `lowered` where it is a higher limit.
 */
export function lossOf(protects: Protection, before: unknown, after: unknown): 'lifted' | 'lowered' | undefined {
  switch (protects) {
    case 'loopback':
      return isLoopback(String(before)) && !isLoopback(String(after)) ? 'lifted' : undefined
    case 'origins': {
      const known = new Set([before].flat())
      return [after].flat().every((origin) => known.has(origin)) ? undefined : 'lifted'
    }
    case 'limit':
      return isMore(after, before) ? 'lowered' : undefined
    case 'limit, 0 for none':
      if (before === 0) return undefined
      if (after === 0) return 'lifted'
      return isMore(after, before) ? 'lowered' : undefined
    default:
      return before === protects.refuses && after !== before ? 'lifted' : undefined
  }
}

function isMore(one: unknown, other: unknown): boolean {
  return typeof one === 'number' && typeof other === 'number' && one > other
}
