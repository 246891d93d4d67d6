import type { Clock } from '../core/clock.ts'

/** What is kept of requests: nothing, all but bodies, bodies in memory, or bodies in files. */
export const captureModes = ['off', 'metadata', 'memory', 'disk'] as const
export type CaptureMode = (typeof captureModes)[number]

/** The mode as configured, unless the operator has chosen another one. */
export interface ModeSwitch {
  mode(): CaptureMode
  /** When the mode falls back to the configured one, in epoch milliseconds. */
  until(): number | undefined
  /** Chooses a mode; without `minutes` until the program ends or the next choice. */
  set(mode: CaptureMode, minutes?: number): void
  /** Called whenever the mode changes. Returns what ends the subscription. */
  subscribe(listener: () => void): () => void
  close(): void
}

export function createModeSwitch(clock: Clock, configured: () => CaptureMode): ModeSwitch {
  const listeners = new Set<() => void>()
  let chosen: { mode: CaptureMode; until?: number } | undefined
  let stopTimer = () => {}

  return {
    mode: () => chosen?.mode ?? configured(),
    until: () => chosen?.until,
    set(mode, minutes) {
      stopTimer()
      stopTimer = () => {}
      chosen = { mode }
      if (minutes !== undefined) {
        chosen.until = clock.now() + minutes * 60_000
        stopTimer = clock.after(minutes * 60_000, () => {
          chosen = undefined
          notify()
        })
      }
      notify()
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: () => stopTimer(),
  }

  function notify(): void {
    for (const listener of listeners) listener()
  }
}
