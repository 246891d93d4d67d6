import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { codexInstructions } from '../../src/cli/clients/codex-instructions.ts'
import { type Agent, binOf } from '../support/agents/install.ts'
import { lookupServer, overflow, overloaded, pixel } from '../support/agents/props.ts'
import { type Setting, stage } from '../support/agents/stage.ts'
import {
  brokenAnswer,
  greeting,
  handedPicture,
  heededRefusal,
  type Manners,
  ownLook,
  wholeJob,
} from '../support/agents/stories.ts'

// `make test-agents` installs Codex and runs this file.
setDefaultTimeout(180_000)

const agent: Agent = 'Codex 0.171.0'
const onStage = (setting: Omit<Setting, 'agent'>) => stage({ agent, ...setting })

/** As a script would run it. Its own sandbox does not work inside every container. */
function exec(words: string, ...args: string[]): string[] {
  return ['exec', '--sandbox', 'danger-full-access', ...args, '--', words]
}

const shell = (cmd: string) => ({ name: 'exec_command', input: { cmd } })

const patch = `*** Begin Patch
*** Update File: greeting.txt
@@
-Hello wrold
+Hello world
*** End Patch`

const manners: Manners = {
  onStage,
  ask: exec,
  prints: (words) => `${words}\n`,
  shell,
  read: () => shell('cat greeting.txt'),
  mend: () => shell(`apply_patch <<'EOF'\n${patch}\nEOF`),
  look: (path) => ({ name: 'view_image', input: { path } }),
}

describe.skipIf(binOf(agent) === undefined)(agent, () => {
  test.concurrent('does a whole job by its launcher, and its reasoning comes back as it was', () => wholeJob(manners))

  test.concurrent('runs on the demo', async () => {
    await using story = await onStage({ script: () => [], env: { UPSTREAMS: 'demo' } })
    const said = await story.run(exec('[fast] [tool:exec_command {"cmd":"echo demo > demo.txt"}]'))
    expect(said).toContain('`exec_command`')
    expect(await story.read('demo.txt')).toBe('demo\n')
    await story.close()
  })

  test.concurrent('hands an image over', () => handedPicture(manners, exec('What is this?', '-i', 'dot.png')))

  test.concurrent('looks at an image by its own tool', () => ownLook(manners))

  test.concurrent('knows of a model without eyes, and tells it that there is an image', async () => {
    await using story = await onStage({ files: { 'dot.png': pixel }, script: () => [{ say: 'I cannot see it.' }] })
    expect(await story.run(exec('What is this?', '-i', 'dot.png'))).toBe('I cannot see it.\n')
    const last = story.model.asked.at(-1)
    expect(last?.images).toEqual([])
    expect(last?.lastText).toContain('image content omitted because you do not support image input')
    await story.close()
  })

  test.concurrent('asks again when an answer breaks off', () => brokenAnswer(manners))

  test.concurrent('waits as long as a refusal says', () => heededRefusal(manners))

  test.concurrent('hears nothing of a refusal that the gateway can wait out', async () => {
    await using story = await onStage({ script: () => [overloaded, { say: 'Now it works.' }] })
    expect(await story.run(exec('Try.'))).toBe('Now it works.\n')
    await story.close()
  })

  test.concurrent('does its work over a WebSocket', async () => {
    await using story = await onStage({
      files: { 'greeting.txt': 'Hello\n' },
      script: () => [{ calls: [shell('cat greeting.txt')] }, { say: 'It says Hello.' }],
    })
    const overSocket = ['-c', 'model_providers.zai2api.supports_websockets=true']
    expect(await story.run(exec('What does it say?', ...overSocket))).toBe('It says Hello.\n')
    // Codex sends what is new, and refers to the reply before, which it wanted nobody to store.
    expect(story.model.asked.at(-1)?.results).toEqual([expect.stringContaining('Hello')])
    const lines = await story.close()
    expect(lines.filter(({ message }) => message === 'GET /v1/responses')).toHaveLength(1)
  })

  test.concurrent('knows the models by their file, and edits with its own tool', async () => {
    await using story = await onStage({
      files: greeting,
      script: () => [{ calls: [{ name: 'apply_patch', input: { input: patch } }] }, { say: 'I mended it.' }],
    })
    expect(await story.run(exec('Mend the greeting.'))).toBe('I mended it.\n')
    expect(await story.read('greeting.txt')).toBe('Hello world\n')
    expect(story.said()).toContain('model: GLM-5.3\n')
    expect(story.said()).not.toMatch(/metadata|does without/)
    const [first] = story.model.asked
    expect(first?.tools).toContain('apply_patch')
    expect(JSON.stringify(first?.messages[0])).toContain(JSON.stringify(codexInstructions).slice(1, -1))
    expect(first?.effort).toBe('high')
    const recorded = { client: { name: 'Codex', version: '0.171.0' }, session: expect.any(String), agent: undefined }
    expect(await story.recorded()).toEqual([recorded, recorded])
    await story.close()
  })

  // The window of GLM-5.3, the default of the official API, is 1,048,576 tokens.
  test.concurrent('compacts before the window of its file is full, and resumes what it has compacted', async () => {
    await using story = await onStage({
      script: () => [
        { calls: [shell('echo counted-to-$((40 + 2))')], promptTokens: 1_000_000 },
        { say: 'So far: I have counted.' },
        { say: 'Where was I? Done.' },
        { calls: [shell('cat README.md')] },
        { say: 'And again.' },
      ],
    })
    expect(await story.run(exec('Count.'))).toBe('Where was I? Done.\n')
    expect(await story.run(['exec', 'resume', '--last', 'Once more.'])).toBe('And again.\n')
    const [before, summary, ...after] = story.model.asked.map(({ messages }) => JSON.stringify(messages))
    expect(before).not.toContain('So far: I have counted.')
    expect(summary).toContain('counted-to-42')
    expect(after.map((text) => [text.includes('So far: I have counted.'), text.includes('counted-to-42')])).toEqual([
      ...[
        [true, false],
        [true, false],
        [true, false],
      ],
    ])
    expect(after[1]).toContain('Where was I? Done.')
    await story.close()
  })

  test.concurrent('compacts at the limit it is given, and goes on', async () => {
    await using story = await onStage({
      script: () => [
        { calls: [shell('seq 3000')], promptTokens: 9_000 },
        { say: 'So far: I have counted.' },
        { say: 'Where was I? Done.' },
      ],
    })
    expect(await story.run(exec('Count.', '-c', 'model_auto_compact_token_limit=8000'))).toBe('Where was I? Done.\n')
    expect(story.model.asked.at(-1)?.lastText).toContain('So far: I have counted.')
    await story.close()
  })

  test.concurrent('knows a conversation that has become too long', async () => {
    await using story = await onStage({ script: () => [{ calls: [shell('seq 3000')] }, overflow] })
    await story.run(exec('Count.'), 1)
    expect(story.said()).toContain("ran out of room in the model's context window")
    await story.close(['context_length_exceeded'])
  })

  test.concurrent('calls a tool of an MCP server', async () => {
    const [command, file] = lookupServer
    await using story = await onStage({
      script: () => [{ calls: [{ name: 'mcp__scratch__lookup', input: { word: 'river' } }] }, { say: 'A word.' }],
    })
    const server = ['-c', `mcp_servers.scratch.command="${command}"`, '-c', `mcp_servers.scratch.args=["${file}"]`]
    expect(await story.run(exec('Look river up.', ...server))).toBe('A word.\n')
    expect(story.model.asked.at(-1)?.results).toEqual([expect.stringContaining('river is a word')])
    await story.close()
  })

  test.concurrent('knows its own tools again that have a namespace', async () => {
    await using story = await onStage({
      script: () => [
        { calls: [{ name: 'multi_agent_v1__close_agent', input: { target: 'nobody', id: 'nobody' } }] },
        { say: 'There was nobody.' },
      ],
    })
    expect(await story.run(exec('Close it.'))).toBe('There was nobody.\n')
    const [result] = story.model.asked.at(-1)?.results ?? []
    expect(result).toBeString()
    expect(result).not.toContain('unsupported call')
    await story.close()
  })

  test.concurrent('gets an answer in the form it asks for', async () => {
    const schema = {
      type: 'object',
      properties: { river: { type: 'string' } },
      required: ['river'],
      additionalProperties: false,
    }
    await using story = await onStage({
      files: { 'schema.json': JSON.stringify(schema) },
      script: () => [{ say: '{"river":"Nile"}' }],
    })
    const said = await story.run(exec('Which river is long?', '--output-schema', 'schema.json'))
    expect(JSON.parse(said)).toEqual({ river: 'Nile' })
    await story.close()
  })
})
