import type { Route } from './route.ts'

/**
 * Base URLs people really paste, each in front of a path like `/models`: with and without `/v1`, below the name of a
 * vendor, and as OpenRouter and Z.AI write theirs. Anthropic's SDK adds a `/v1` of its own to whatever it is given.
 */
export const basePaths = [
  ...['', '/v1', '/v1/v1'],
  ...['/openai', '/openai/v1'],
  ...['/anthropic', '/anthropic/v1', '/anthropic/v1/v1'],
  ...['/api', '/api/v1', '/api/v1/v1'],
  ...['/api/anthropic', '/api/anthropic/v1', '/api/anthropic/v1/v1'],
  ...['/api/paas/v4', '/api/paas/v4/v1'],
  ...['/api/coding/paas/v4', '/api/coding/paas/v4/v1'],
]

/** `/v1` is the only one that the documentation page lists. */
export function documented(basePath: string, tag: string, summary: string): Route['docs'] {
  return basePath === '/v1' ? { tags: [tag], summary } : undefined
}
