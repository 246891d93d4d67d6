/** A path pattern of a dialect, for a router that matches only whole segments. */
export interface PathPattern {
  /**
   * The router's pattern: `/v1/models/:model` for `/v1/models/:model:generateContent`. Several patterns may have the
   * same one.
   */
  routerPath: string
  /** The parameters without their verbs; `undefined` if a segment lacks the verb that the pattern requires. */
  match(found: Readonly<Record<string, string>>): Record<string, string> | undefined
  /**
   * The length of the verbs. Of several patterns with the same router's pattern, the one with the longest is tried
   * first.
   */
  verbLength: number
}

/** A segment is literal, `*`, `:name`, or a parameter followed by a verb: `:model:generateContent`. */
export function pathPattern(pattern: string): PathPattern {
  const verbs: { name: string; verb: string }[] = []
  const segments = pattern.split('/').map((segment) => {
    const [, name, verb] = parameter.exec(segment) ?? []
    if (name === undefined || verb === undefined) return segment
    verbs.push({ name, verb })
    return `:${name}`
  })
  return {
    routerPath: segments.join('/'),
    verbLength: verbs.reduce((sum, { verb }) => sum + verb.length, 0),
    match(found) {
      const params = { ...found }
      for (const { name, verb } of verbs) {
        const value = found[name] ?? ''
        if (value.length <= verb.length || !value.endsWith(verb)) return undefined
        params[name] = value.slice(0, -verb.length)
      }
      return params
    },
  }
}

/** Matches the pattern after any base path, and anything below it. */
export function anywhere(pattern: string): RegExp {
  const segments = pattern.split('/').map((segment) => {
    const [, name, verb = ''] = parameter.exec(segment) ?? []
    return name === undefined ? RegExp.escape(segment) : `[^/]+${RegExp.escape(verb)}`
  })
  return new RegExp(`${segments.join('/')}(?:/|$)`)
}

/** A path that matches the pattern with these parameters. */
export function pathWith(pattern: string, params: Readonly<Record<string, string>>): string {
  return pattern.replace(/\/:(\w+)/g, (_, name) => `/${encodeURIComponent(params[name] ?? '')}`)
}

/** The pattern in the form of OpenAPI. Model ids may contain slashes, which only a wildcard matches. */
export function openapiPath(pattern: string): string {
  return pattern.replace('*', '{id}').replace(/\/:(\w+)/g, '/{$1}')
}

const parameter = /^:(\w+)(:.+)?$/
