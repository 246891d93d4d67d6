/** A path pattern of a dialect, for a router that knows whole segments only. */
export interface PathPattern {
  /** The router's pattern: `/v1/models/:model` for `/v1/models/:model:generateContent`. Patterns may share it. */
  routerPath: string
  /** The parameters without their verbs; `undefined` if a segment lacks the verb that the pattern asks for. */
  match(found: Readonly<Record<string, string>>): Record<string, string> | undefined
  /** Characters of the verbs: of patterns that share a router's path, the one with the most is tried first. */
  verbLength: number
}

/** A segment is literal, `*`, `:name`, or a parameter with a verb behind it: `:model:generateContent`. */
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

/** The pattern, with any base path in front of it and anything below it. */
export function anywhere(pattern: string): RegExp {
  const segments = pattern.split('/').map((segment) => {
    const [, name, verb = ''] = parameter.exec(segment) ?? []
    return name === undefined ? RegExp.escape(segment) : `[^/]+${RegExp.escape(verb)}`
  })
  return new RegExp(`${segments.join('/')}(?:/|$)`)
}

/** A path that the pattern matches with these parameters. */
export function pathWith(pattern: string, params: Readonly<Record<string, string>>): string {
  return pattern.replace(/\/:(\w+)/g, (_, name) => `/${encodeURIComponent(params[name] ?? '')}`)
}

/** As OpenAPI writes it. Model ids may hold slashes, which only a wildcard matches. */
export function openapiPath(pattern: string): string {
  return pattern.replace('*', '{id}').replace(/\/:(\w+)/g, '/{$1}')
}

const parameter = /^:(\w+)(:.+)?$/
