import type { Dialect, Dialects } from '../core/dialect.ts'
import { commonBasePaths } from './base-paths.ts'
import { anywhere } from './path-pattern.ts'

/**
 * Guesses the dialect of a client that requested an unknown route, so that the error has the shape that the client
 * expects. Nothing else depends on it. The path is the best evidence, then the headers, then the base path.
 */
export function dialectGuess(dialects: Dialects): (path: string, headers: Headers) => Dialect {
  const addresses = dialects
    .flatMap((dialect) =>
      dialect.routes
        // Several dialects have the paths of models.
        .filter(({ serves }) => serves !== 'model-list' && serves !== 'model')
        .flatMap(({ path }) => (dialect.ownBasePaths ?? ['']).map((basePath) => basePath + path))
        .map((path) => ({ dialect, length: path.length, pattern: anywhere(path) })),
    )
    // `/chat/completions` ends in `/completions`, too.
    .sort((a, b) => b.length - a.length)
  const bases = dialects.flatMap((dialect) => basesOf(dialect).map((base) => ({ dialect, base })))
  return (path, headers) =>
    addresses.find(({ pattern }) => pattern.test(path))?.dialect ??
    dialects.find((dialect) => dialect.recognises?.(headers)) ??
    bases.find(({ base }) => `${path}/`.includes(`${base}/`))?.dialect ??
    dialects[0]
}

/** The base paths that no other dialect is served under. `/api` of Ollama is a common one, too. */
function basesOf({ basePaths = [], ownBasePaths }: Dialect): readonly string[] {
  return ownBasePaths?.filter((base) => !commonBasePaths.includes(base)) ?? basePaths
}
