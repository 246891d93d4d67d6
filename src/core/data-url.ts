/**
 * Parses `data:image/png;charset=…;base64,AAAA`. It uses `indexOf` and `slice`, because both sides may be megabytes.
 */
export function dataOf(url: string): { type: 'base64'; mediaType: string; data: string } | undefined {
  const comma = url.indexOf(',')
  if (!url.startsWith(scheme) || comma < 0) return undefined
  const head = url.slice(scheme.length, comma)
  const mediaType = head.slice(0, head.indexOf(';'))
  if (mediaType === '' || !head.endsWith(';base64')) return undefined
  return { type: 'base64', mediaType, data: url.slice(comma + 1) }
}

const scheme = 'data:'
