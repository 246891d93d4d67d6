import { expect } from 'bun:test'
import type { Call } from './model.ts'
import { noQueue, overloaded, pixel, pixelUrl } from './props.ts'
import type { Setting, stage } from './stage.ts'

// What every agent has to manage, told once; the agent brings its manners.

/** How one agent is asked and answers, and what it calls the tools that all agents have. */
export interface Manners {
  onStage(setting: Omit<Setting, 'agent'>): ReturnType<typeof stage>
  ask(words: string): string[]
  /** What it prints when the model says `words`: a text, or a matcher of one. */
  prints(words: string): string
  shell(command: string): Call
  read(path: string): Call
  /** Puts `world` for `wrold` into `greeting.txt`. */
  mend(path: string): Call
  look(path: string): Call
}

export const greeting = { 'greeting.txt': 'Hello wrold\n' }
const vision = { PRIMARY_MODEL: 'glm-4.6v' }

export async function wholeJob({ onStage, ask, prints, shell, read, mend }: Manners): Promise<void> {
  await using story = await onStage({
    files: greeting,
    gateway: 'own',
    script: (path) => [
      { think: 'First I look.', say: 'Reading.', calls: [read(path('greeting.txt'))] },
      { think: 'A slip: "wrold" — 世界.', calls: [mend(path('greeting.txt'))] },
      { think: 'Two at a time.', calls: [shell('cp greeting.txt copy.txt'), shell('echo two > two.txt')] },
      { think: 'Now the proof.', calls: [shell('cat copy.txt two.txt')] },
      { think: 'Done.', say: 'I mended the greeting.' },
    ],
  })
  expect(await story.run(ask('Mend the greeting.'))).toEqual(prints('I mended the greeting.'))
  expect(await story.read('greeting.txt')).toBe('Hello world\n')
  const last = story.model.asked.at(-1)
  expect(last?.reasoning).toEqual(['First I look.', 'A slip: "wrold" — 世界.', 'Two at a time.', 'Now the proof.'])
  expect(last?.results).toHaveLength(5)
  // As it is, or within JSON.
  expect(last?.results.at(-1)).toMatch(/Hello world(?:\n|\\n)two/)
  await story.close()
}

export async function ownLook({ onStage, ask, prints, look }: Manners): Promise<void> {
  await using story = await onStage({
    files: { 'dot.png': pixel },
    env: vision,
    script: (path) => [{ calls: [look(path('dot.png'))] }, { say: 'A dot.' }],
  })
  expect(await story.run(ask('What is in dot.png?'))).toEqual(prints('A dot.'))
  expect(story.model.asked.at(-1)?.images).toEqual([pixelUrl])
  await story.close()
}

export async function handedPicture({ onStage, prints }: Manners, args: string[]): Promise<void> {
  await using story = await onStage({ files: { 'dot.png': pixel }, env: vision, script: () => [{ say: 'A dot.' }] })
  expect(await story.run(args)).toEqual(prints('A dot.'))
  expect(story.model.asked.at(-1)?.images).toEqual([pixelUrl])
  await story.close()
}

export async function brokenAnswer({ onStage, ask, prints }: Manners): Promise<void> {
  await using story = await onStage({ script: () => [{ breaksOff: 'Half of' }, { say: 'The whole answer.' }] })
  expect(await story.run(ask('Say something long.'))).toEqual(prints('The whole answer.'))
  await story.close(['upstream_error'])
}

export async function heededRefusal({ onStage, ask, prints }: Manners): Promise<void> {
  await using story = await onStage({ env: noQueue, script: () => [overloaded, { say: 'Now it works.' }] })
  expect(await story.run(ask('Try.'))).toEqual(prints('Now it works.'))
  await story.close(expect.arrayContaining(['rate_limit_exceeded']))
}
