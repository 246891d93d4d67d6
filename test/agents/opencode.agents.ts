import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Agent, binOf } from '../support/agents/install.ts'
import type { Aside } from '../support/agents/model.ts'
import { lookupServer } from '../support/agents/props.ts'
import { type Setting, stage } from '../support/agents/stage.ts'
import {
  brokenAnswer,
  handedPicture,
  heededRefusal,
  type Manners,
  ownLook,
  wholeJob,
} from '../support/agents/stories.ts'

// `make test-agents` installs opencode and runs this file.
setDefaultTimeout(180_000)

const agent: Agent = 'opencode 1.18.33'

/** Every session asks for a title, whenever it likes. */
const title: Aside = {
  when: ({ tools, messages }) => tools.length === 0 && /title/i.test(JSON.stringify(messages[0])),
  turn: { say: 'A title' },
}

const onStage = (setting: Omit<Setting, 'agent'>) => stage({ agent, asides: [title], ...setting })

const bash = (command: string) => ({ name: 'bash', input: { command, description: 'Run it' } })
const readFile = (path: string) => ({ name: 'read', input: { filePath: path } })

const manners: Manners = {
  onStage,
  ask: (words) => ['run', words],
  // What it does comes first.
  prints: (words) => expect.stringMatching(new RegExp(`${RegExp.escape(words)}\\n$`)),
  shell: bash,
  read: readFile,
  mend: (filePath) => ({ name: 'edit', input: { filePath, oldString: 'wrold', newString: 'world' } }),
  look: readFile,
}

describe.skipIf(binOf(agent) === undefined)(agent, () => {
  test.concurrent('does a whole job by its launcher, and its reasoning comes back as it was', () => wholeJob(manners))

  test.concurrent('runs on the demo', async () => {
    await using story = await onStage({ script: () => [], env: { UPSTREAMS: 'demo' } })
    // Without a space, or it would put the words into quotes of its own.
    const said = await story.run(['run', '[fast][tool:bash{"command":"echo>demo.txt","description":"Write"}]'])
    expect(said).toContain('`bash`')
    expect(await story.read('demo.txt')).toBe('\n')
    await story.close()
  })

  test.concurrent('hands an image over', () => handedPicture(manners, ['run', '-f', 'dot.png', '--', 'What is this?']))

  test.concurrent('looks at an image by its own tool', () => ownLook(manners))

  test.concurrent('asks again when an answer breaks off', () => brokenAnswer(manners))

  test.concurrent('waits as long as a refusal says', () => heededRefusal(manners))

  test.concurrent('compacts before the window is full, and goes on', async () => {
    await using story = await onStage({
      script: () => [
        { calls: [bash('seq 3000')], promptTokens: 1_047_000 },
        { say: 'So far: I have counted.' },
        { say: 'Where was I? Done.' },
      ],
    })
    expect(await story.run(['run', 'Count.'])).toEndWith('Where was I? Done.\n')
    expect(JSON.stringify(story.model.asked.at(-1)?.messages)).toContain('So far: I have counted.')
    await story.close()
  })

  test.concurrent('calls a tool of an MCP server', async () => {
    const mcp = { scratch: { type: 'local', command: lookupServer } }
    await using story = await onStage({
      files: { 'opencode.json': JSON.stringify({ mcp }) },
      script: () => [{ calls: [{ name: 'scratch_lookup', input: { word: 'river' } }] }, { say: 'A word.' }],
    })
    expect(await story.run(['run', 'Look river up.'])).toEndWith('A word.\n')
    expect(story.model.asked.at(-1)?.results).toEqual(['river is a word'])
    const [last] = await story.recorded()
    expect(last).toMatchObject({ client: { name: 'opencode' }, session: expect.stringMatching(/^ses_/) })
    await story.close()
  })
})
