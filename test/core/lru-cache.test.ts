import { expect, test } from 'bun:test'
import { lruCache } from '../../src/core/lru-cache.ts'

test('the value not used for the longest time is dropped first', () => {
  const cache = lruCache<string, number>({ maxEntries: 2 })
  cache.set('a', 1)
  cache.set('b', 2)
  cache.get('a')
  cache.set('c', 3)
  expect(['a', 'b', 'c'].map((key) => cache.get(key))).toEqual([1, undefined, 3])
})

test('values are dropped until the rest fits', () => {
  const cache = lruCache<string, string>({ maxSize: 10 })
  cache.set('a', 'x', 4)
  cache.set('b', 'x', 4)
  cache.set('c', 'x', 8)
  expect(['a', 'b', 'c'].map((key) => cache.get(key))).toEqual([undefined, undefined, 'x'])
})

test('a value larger than the limit is not kept, and drops nothing but its own older self', () => {
  const cache = lruCache<string, string>({ maxSize: 10 })
  cache.set('a', 'x', 4)
  cache.set('b', 'x', 4)
  cache.set('b', 'y', 11)
  expect(['a', 'b'].map((key) => cache.get(key))).toEqual(['x', undefined])
})

test('a value that takes the place of another counts once', () => {
  const cache = lruCache<string, string>({ maxSize: 10 })
  for (let turn = 0; turn < 5; turn++) cache.set('a', 'x', 6)
  cache.set('b', 'x', 4)
  expect(['a', 'b'].map((key) => cache.get(key))).toEqual(['x', 'x'])
})
