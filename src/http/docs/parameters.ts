/** The parameters of a path pattern, each with an example: `id` of `/responses/:id`. */
export function pathParameters(pattern: string, examples: Readonly<Record<string, string>>): object[] {
  return [...pattern.matchAll(/\/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    ...(examples[name] === undefined ? {} : { example: examples[name] }),
  }))
}

export function inQuery(parameters: readonly object[] = []): object[] {
  return parameters.map((parameter) => ({ ...parameter, in: 'query' }))
}
