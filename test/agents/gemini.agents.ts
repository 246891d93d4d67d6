import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Agent, binOf } from '../support/agents/install.ts'
import { type Setting, stage } from '../support/agents/stage.ts'
import {
  brokenAnswer,
  handedPicture,
  heededRefusal,
  type Manners,
  ownLook,
  wholeJob,
} from '../support/agents/stories.ts'

// `make test-agents` installs Gemini CLI and runs this file.
setDefaultTimeout(180_000)

const agent: Agent = 'Gemini CLI 0.61.0'

const onStage = (setting: Omit<Setting, 'agent'>) => stage({ agent, ...setting })
const headless = (...args: string[]) => ['--yolo', '--skip-trust', ...args]

const shell = (command: string) => ({ name: 'run_shell_command', input: { command, description: 'Run it' } })
const readFile = (path: string) => ({ name: 'read_file', input: { file_path: path } })

const manners: Manners = {
  onStage,
  ask: (words) => headless('-p', words),
  // What it says before its last words comes first.
  prints: (words) => expect.stringMatching(new RegExp(`${RegExp.escape(words)}\\n$`)),
  shell,
  read: readFile,
  mend: (path) => ({
    name: 'replace',
    input: { file_path: path, instruction: 'Mend it.', old_string: 'wrold', new_string: 'world' },
  }),
  look: readFile,
}

describe.skipIf(binOf(agent) === undefined)(agent, () => {
  test.concurrent('does a whole job by its launcher, and its reasoning comes back as it was', () => wholeJob(manners))

  test.concurrent('runs on the demo', async () => {
    await using story = await onStage({ script: () => [], env: { UPSTREAMS: 'demo' } })
    const said = await story.run(
      headless('-p', '[fast][tool:run_shell_command {"command":"echo > demo.txt","description":"Write"}]'),
    )
    expect(said).toContain('run_shell_command')
    expect(await story.read('demo.txt')).toBe('\n')
    await story.close()
  })

  test.concurrent('hands an image over', () => handedPicture(manners, headless('-p', 'What is this? @dot.png')))

  test.concurrent('looks at an image by its own tool', () => ownLook(manners))

  test.concurrent('asks again when an answer breaks off', () => brokenAnswer(manners))

  test.concurrent('waits as long as a refusal says', () => heededRefusal(manners))

  test.concurrent('searches the web by a request of its own', async () => {
    await using story = await onStage({
      script: () => [
        { calls: [{ name: 'google_web_search', input: { query: 'weather' } }] },
        { say: 'It rains.' },
        { say: 'Take an umbrella.' },
      ],
    })
    expect(await story.run(headless('-p', 'Look the weather up.'))).toEndWith('Take an umbrella.\n')
    expect(story.model.asked.map(({ tools }) => tools.includes('google_web_search'))).toEqual([true, false, true])
    expect(story.model.asked.at(-1)?.results.join()).toContain('It rains.')
    await story.close()
  })
})
