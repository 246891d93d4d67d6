/** A path pattern of a dialect, for a router that matches only whole segments. */
export interface PathPattern {
  /**
   * The pattern given to the router: `/v1/models/:model` for `/v1/models/:model:generateContent`. Several patterns may
   * share a router path.
   */
  routerPath: string
  /** The parameters without their verbs; `undefined` if a segment lacks the verb that the pattern requires. */
  match(found: Readonly<Record<string, string>>): Record<string, string> | undefined
  /**
   * The length of the verbs. Of several patterns with the same router path, the one with the longest verbs is tried
   * first.
   */
  verbLength: number
}

/**
 * A segment is literal, `*`, `:name`, or a parameter followed by a verb: `:model:generateContent`. The last segment may
 * be `:name+`, also with a verb, which takes the rest of the path: model ids may contain slashes.
 */
export function pathPattern(pattern: string): PathPattern {
  const verbs: { found: string; name: string; verb: string }[] = []
  const segments = pattern.split('/').map((segment) => {
    const [, name, rest, verb = ''] = parameter.exec(segment) ?? []
    if (name === undefined || (rest === undefined && verb === '')) return segment
    verbs.push({ found: rest === undefined ? name : '*', name, verb })
    return rest === undefined ? `:${name}` : '*'
  })
  return {
    routerPath: segments.join('/'),
    verbLength: verbs.reduce((sum, { verb }) => sum + verb.length, 0),
    match(found) {
      const params = { ...found }
      for (const { found: at, name, verb } of verbs) {
        const value = at === '*' ? percentDecoded(found[at] ?? '') : (found[at] ?? '')
        if (value.length <= verb.length || !value.endsWith(verb)) return undefined
        delete params[at]
        params[name] = value.slice(0, value.length - verb.length)
      }
      return params
    },
  }
}

/** Matches the pattern after any base path, and anything below it. */
export function anywhere(pattern: string): RegExp {
  const segments = pattern.split('/').map((segment) => {
    const [, name, rest, verb = ''] = parameter.exec(segment) ?? []
    if (name === undefined) return RegExp.escape(segment)
    return `${rest === undefined ? '[^/]+' : '.+'}${RegExp.escape(verb)}`
  })
  return new RegExp(`${segments.join('/')}(?:/|$)`)
}

/** A path that matches the pattern with these parameters. */
export function pathWith(pattern: string, params: Readonly<Record<string, string>>): string {
  return pattern.replace(/\/:(\w+)\+?/g, (_, name) => `/${encodeURIComponent(params[name] ?? '')}`)
}

/** The pattern in the form of OpenAPI. Model ids may contain slashes, which only a wildcard matches. */
export function openapiPath(pattern: string): string {
  return pattern.replace('*', '{id}').replace(/\/:(\w+)\+?/g, '/{$1}')
}

/** A text with an invalid percent encoding is returned unchanged. */
export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const parameter = /^:(\w+)(\+)?(:.+)?$/
