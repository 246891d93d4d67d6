import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const usualPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

const howToGetIt =
  'No Chromium found. Install it (Debian: apt-get install chromium) or name one: CHROMIUM=/path/to/chromium make test-browser'

/** Starts an installed Chromium without a window and without its background requests. Rejects if none is installed. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error(howToGetIt)
  return chromium.launch({
    executablePath,
    // Chromium's sandbox does not work for root.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

function findChromium(): string | undefined {
  const named = process.env.CHROMIUM
  return [...(named ? [named] : usualPlaces)].find(existsSync)
}

// `make test-browser` asks first, for an answer of one line.
if (import.meta.main && findChromium() === undefined) {
  console.error(howToGetIt)
  process.exit(1)
}
