import { expect, test } from 'bun:test'
import { patientStream } from '../../src/cli/terminal-stream.ts'
import { manualClock } from '../support/clock.ts'

const failure = (code: string) => Object.assign(new Error(code), { code })

/** A terminal that shows up to `room` bytes, and then takes nothing until it is given more. */
function terminal(room: number) {
  const clock = manualClock()
  const screen = { text: '', room, broken: false }
  const stream = patientStream((bytes) => {
    if (screen.broken) throw failure('EIO')
    if (screen.room === 0) throw failure('EAGAIN')
    const taken = bytes.subarray(0, screen.room)
    screen.text += new TextDecoder().decode(taken)
    screen.room -= taken.length
    return taken.length
  }, clock)
  const written: unknown[] = []
  const write = (text: string) => stream.write(text, (error) => written.push(error?.message ?? text))
  return { clock, screen, write, written }
}

test('what a terminal does not take now is written later, in order', () => {
  const { clock, screen, write, written } = terminal(3)
  for (const text of ['ab', 'cd', 'ef']) write(text)
  expect([screen.text, written]).toEqual(['abc', ['ab']])
  screen.room = 100
  write('gh')
  expect(screen.text).toBe('abc')
  clock.advance(100)
  expect([screen.text, written]).toEqual(['abcdefgh', ['ab', 'cd', 'ef', 'gh']])
})

test('what is lost with a terminal is reported, and nothing waits behind it', () => {
  const { clock, screen, write, written } = terminal(1)
  write('ab')
  write('cd')
  screen.broken = true
  clock.advance(100)
  write('ef')
  expect([screen.text, written]).toEqual(['a', ['EIO', 'EIO', 'EIO']])
})
