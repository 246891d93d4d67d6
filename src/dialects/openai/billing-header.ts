/**
 * Whether a part of a system prompt is the header that Claude Code puts first. It changes with every request, so it would
 * defeat the upstream's prompt cache; routers pass it on to other APIs.
 */
export function isBillingHeader(text: string): boolean {
  return text.startsWith('x-anthropic-billing-header:')
}
