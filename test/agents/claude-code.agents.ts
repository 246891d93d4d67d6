import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Agent, binOf } from '../support/agents/install.ts'
import { lookupServer, overflow, pixel } from '../support/agents/props.ts'
import { type Setting, stage } from '../support/agents/stage.ts'
import { greeting, heededRefusal, type Manners, ownLook, wholeJob } from '../support/agents/stories.ts'

// `make test-agents` installs Claude Code and runs this file.
setDefaultTimeout(180_000)

const tools = ['Bash', 'Read', 'Edit', 'ToolSearch', 'WebSearch', 'mcp__scratch__lookup']

/** As a script would run it: one prompt, no questions, the answer on standard output. */
function prompt(words: string, ...args: string[]): string[] {
  return ['-p', words, '--permission-mode', 'acceptEdits', '--allowedTools', tools.join(','), ...args]
}

const bash = (command: string) => ({ name: 'Bash', input: { command, description: 'Run it' } })
const readFile = (path: string) => ({ name: 'Read', input: { file_path: path } })

const versions: Agent[] = ['Claude Code 2.1.332', 'Claude Code 2.1.197']

for (const agent of versions) {
  const onStage = (setting: Omit<Setting, 'agent'>) => stage({ agent, ...setting })
  const manners: Manners = {
    onStage,
    ask: prompt,
    prints: (words) => `${words}\n`,
    shell: bash,
    read: readFile,
    mend: (file_path) => ({ name: 'Edit', input: { file_path, old_string: 'wrold', new_string: 'world' } }),
    look: readFile,
  }

  describe.skipIf(binOf(agent) === undefined)(agent, () => {
    test.concurrent('does a whole job by its launcher, and its reasoning comes back as it was', () => wholeJob(manners))

    test.concurrent('runs on the demo', async () => {
      await using story = await onStage({ script: () => [], env: { UPSTREAMS: 'demo' } })
      const said = await story.run(
        prompt('[fast] [tool:Bash {"command":"echo demo > demo.txt","description":"Write"}]'),
      )
      expect(said).toContain('`Bash`')
      expect(await story.read('demo.txt')).toBe('demo\n')
      await story.close()
    })

    test.concurrent('shows an image it reads to a model with eyes', () => ownLook(manners))

    test.concurrent('goes on when it reads an image to a model without', async () => {
      await using story = await onStage({
        files: { 'dot.png': pixel },
        script: (path) => [{ calls: [readFile(path('dot.png'))] }, { say: 'I cannot see it.' }],
      })
      expect(await story.run(prompt('What is in dot.png?'))).toBe('I cannot see it.\n')
      expect(story.model.asked.at(-1)?.results).toEqual([expect.stringContaining('image omitted')])
      await story.close()
    })

    test.concurrent('asks again without streaming when an answer breaks off, tools and all', async () => {
      await using story = await onStage({
        script: () => [
          { breaksOff: 'Half of' },
          { think: 'Once more.', calls: [bash('echo again > again.txt')] },
          { say: 'The whole answer.' },
        ],
      })
      expect(await story.run(prompt('Say something long.'))).toBe('The whole answer.\n')
      expect(await story.read('again.txt')).toBe('again\n')
      expect(story.model.asked.at(-1)?.reasoning).toEqual(['Once more.'])
      const lines = await story.close(['upstream_error'])
      const asked = lines.filter(({ message }) => message === 'POST /v1/messages')
      expect(asked.slice(0, 2).map(({ properties }) => properties.stream)).toEqual([true, false])
    })

    test.concurrent('is recorded with its session, and with the agent that it begins', async () => {
      const input = { description: 'Look', prompt: 'Look.', subagent_type: 'general-purpose', run_in_background: false }
      await using story = await onStage({
        script: () => [{ calls: [{ name: 'Agent', input }] }, { say: 'I looked.' }, { say: 'Done.' }],
      })
      expect(await story.run(prompt('Have somebody look.'))).toBe('Done.\n')
      const [last, ofAgent, first] = await story.recorded()
      expect(first).toEqual({
        client: expect.objectContaining({ name: 'Claude Code' }),
        session: expect.stringMatching(/^[\w-]{36}$/),
        agent: undefined,
      })
      expect([last, ofAgent]).toEqual([first, { ...first, agent: expect.any(String) }])
      await story.close()
    })

    test.concurrent('waits as long as a refusal says', () => heededRefusal(manners))

    test.concurrent('compacts a conversation that has become too long, and goes on', async () => {
      await using story = await onStage({
        files: greeting,
        script: (path) => [
          { calls: [readFile(path('greeting.txt'))] },
          { calls: [bash('seq 3000')] },
          overflow,
          { say: '<analysis>Little.</analysis><summary>The greeting has a slip.</summary>' },
          { say: 'Where was I? Done.' },
        ],
      })
      expect(await story.run(prompt('Mend the greeting.'))).toBe('Where was I? Done.\n')
      expect(JSON.stringify(story.model.asked.at(-1)?.messages)).toContain('The greeting has a slip.')
      await story.close(['context_length_exceeded'])
    })

    // The window of GLM-5.3, the default of the official API, is 1,048,576 tokens, that of GLM-4.5 128,000.
    test.concurrent.each([
      ['no model is named', {}, 1_047_000],
      ['a model is named', { PRIMARY_MODEL: 'GLM-4.5' }, 127_000],
    ])('compacts before the window is full when %s', async (_name, env, promptTokens) => {
      await using story = await onStage({
        files: greeting,
        env,
        script: (path) => [
          { calls: [readFile(path('greeting.txt'))], promptTokens: 60_000 },
          { calls: [bash('seq 3000')], promptTokens },
          { say: '<analysis>Little.</analysis><summary>The greeting has a slip.</summary>' },
          { say: 'Where was I? Done.' },
        ],
      })
      expect(await story.run(prompt('Mend the greeting.'))).toBe('Where was I? Done.\n')
      expect(JSON.stringify(story.model.asked.at(-1)?.messages)).toContain('The greeting has a slip.')
      await story.close()
    })

    test.concurrent('searches the web by a request aside', async () => {
      await using story = await onStage({
        asides: [
          {
            when: ({ lastText }) => lastText.startsWith('Perform a web search'),
            turn: { say: 'The Nile is long: https://example.com/nile' },
          },
        ],
        script: () => [
          { calls: [{ name: 'ToolSearch', input: { query: 'select:WebSearch', max_results: 1 } }] },
          { calls: [{ name: 'WebSearch', input: { query: 'long rivers' } }] },
          { say: 'The Nile.' },
        ],
      })
      expect(await story.run(prompt('Which river is long?'))).toBe('The Nile.\n')
      expect(story.model.asked.at(-1)?.results.at(-1)).toContain('https://example.com/nile')
      await story.close()
    })

    test.concurrent('finds a tool of an MCP server and calls it', async () => {
      const [command, file] = lookupServer
      await using story = await onStage({
        script: () => [
          { calls: [{ name: 'ToolSearch', input: { query: 'select:mcp__scratch__lookup', max_results: 1 } }] },
          { calls: [{ name: 'mcp__scratch__lookup', input: { word: 'river' } }] },
          { say: 'A word.' },
        ],
      })
      const servers = JSON.stringify({ mcpServers: { scratch: { command, args: [file] } } })
      expect(await story.run(prompt('Look river up.', '--mcp-config', servers))).toBe('A word.\n')
      const [first, second, third] = story.model.asked
      expect(first?.tools).not.toContain('mcp__scratch__lookup')
      expect(second?.tools).toContain('mcp__scratch__lookup')
      expect(third?.results.at(-1)).toBe('river is a word')
      await story.close()
    })
  })
}
