import { isLoopback } from './policy.ts'
import type { Protection } from './setting.ts'

/**
 * Whether the new value of a setting protects less than the old one: `lifted` means that no protection is left,
 * `lowered` that a limit is higher than before. `undefined` means that nothing is lost.
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
