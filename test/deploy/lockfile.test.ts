import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'

interface Lock {
  packages: Record<string, { version?: string; integrity?: string; resolved?: string; link?: boolean }>
}

const lock: Lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))
const packages = Object.entries(lock.packages).filter(([path]) => path !== '')

test('every package is held to its content, those for other systems too', () => {
  expect(packages.length).toBeGreaterThan(50)
  const loose = packages.filter(([, { integrity }]) => !integrity?.startsWith('sha512-'))
  expect(loose.map(([path]) => path)).toEqual([])
})

test('no package is bound to the registry of whoever installed last', () => {
  expect(packages.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([])
})
