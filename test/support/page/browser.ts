import { afterAll, beforeAll } from 'bun:test'
import type { Browser } from 'playwright-core'
import { launchChromium } from '../chromium.ts'
import { type RunningProgram, startDemo } from './start-program.ts'

/** The browser for all tests of a file. It is there once they begin, and closed after the last one. */
export function useBrowser(): { readonly browser: Browser } {
  let browser: Browser | undefined
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())
  return {
    get browser() {
      return started(browser)
    },
  }
}

/** The same, beside a running demo with these variables. */
export function useDemo(variables: Record<string, string> = {}): {
  readonly browser: Browser
  readonly gateway: RunningProgram
} {
  const opened = useBrowser()
  let gateway: RunningProgram | undefined
  beforeAll(async () => {
    gateway = await startDemo(variables)
  })
  afterAll(() => gateway?.[Symbol.asyncDispose]())
  return {
    get browser() {
      return opened.browser
    },
    get gateway() {
      return started(gateway)
    },
  }
}

function started<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('It is started before the first test of the file, and no earlier.')
  return value
}
