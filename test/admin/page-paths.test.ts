import { expect, test } from 'bun:test'
import { pageFilesPath, pagePaths } from '../../src/admin/schema/page-paths.ts'
import { dialects } from '../../src/dialects/index.ts'
import { basePathsOf } from '../../src/http/base-paths.ts'
import { anywhere } from '../../src/http/path-pattern.ts'

test('no place of the page is a path of an API', () => {
  const apiPaths = dialects.flatMap(({ routes }) =>
    basePathsOf(dialects).flatMap((base) => routes.map(({ path }) => base + path)),
  )
  const places = [...pagePaths, `${pageFilesPath}main.js`]
  // A prefix before a place is a proxy's, which takes it away.
  const below = (place: string) => new RegExp(`^${anywhere(place).source}`)
  const clashes = apiPaths.filter((path) => places.some((place) => place !== '/' && below(place).test(path)))
  expect(clashes).toEqual([])
})
