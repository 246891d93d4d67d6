import type { Page } from 'playwright-core'

export interface Frames {
  /** Milliseconds of the processor for what the page itself decides: scripts, styles and layout. */
  cpuMs: number
  /** Milliseconds from one frame to the next. They depend on what else the machine does. */
  median: number
  longest: number
}

interface Recording {
  gaps: number[]
  end(): void
}

declare global {
  var recording: Recording
}

const own = ['ScriptDuration', 'LayoutDuration', 'RecalcStyleDuration']

/** Begins to measure what a page has to do. Returns what ends it. */
export async function recordFrames(page: Page): Promise<() => Promise<Frames>> {
  const debugging = await page.context().newCDPSession(page)
  await debugging.send('Performance.enable', { timeDomain: 'threadTicks' })
  const busyMs = async () => {
    const { metrics } = await debugging.send('Performance.getMetrics')
    const sum = metrics.reduce((all, { name, value }) => (own.includes(name) ? all + value : all), 0)
    return 1000 * sum
  }
  const before = await busyMs()
  await page.evaluate(() => {
    const gaps: number[] = []
    let last = performance.now()
    let frame = requestAnimationFrame(function next(now) {
      gaps.push(now - last)
      last = now
      frame = requestAnimationFrame(next)
    })
    globalThis.recording = { gaps, end: () => cancelAnimationFrame(frame) }
  })
  return async () => {
    const gaps = await page.evaluate(() => {
      globalThis.recording.end()
      return globalThis.recording.gaps
    })
    const sorted = gaps.toSorted((a, b) => a - b)
    const cpuMs = Math.round((await busyMs()) - before)
    await debugging.detach()
    return {
      cpuMs,
      median: Math.round(sorted[Math.floor(sorted.length / 2)] ?? Number.NaN),
      longest: Math.round(sorted.at(-1) ?? Number.NaN),
    }
  }
}
