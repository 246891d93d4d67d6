/** `*`, a host with or without a port, or an address with its scheme, and perhaps a path. */
export const mcpAddress =
  '^(?:\\*|(?:[A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(?::\\d{1,5})?|https?://(?:[A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(?::\\d{1,5})?(?:/[^\\s,?#@]*)?)$'

const pattern = new RegExp(mcpAddress)

export function isMcpAddress(text: string): boolean {
  return pattern.test(text)
}
