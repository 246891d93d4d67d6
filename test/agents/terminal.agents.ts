import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Agent, binOf } from '../support/agents/install.ts'
import type { Call } from '../support/agents/model.ts'
import { type Setting, stage } from '../support/agents/stage.ts'
import { brokenAnswer, type Manners, wholeJob } from '../support/agents/stories.ts'

// `make test-agents` installs pi, Cline and Qwen Code and runs this file.
setDefaultTimeout(180_000)

interface Habits {
  ask: (words: string) => string[]
  shell: (command: string) => Call
  read: (path: string) => Call
  mend: (path: string) => Call
  /** It asks again when an answer breaks off, and does not only say so. */
  asksAgain?: true
  /** Whom it calls although it was told not to. */
  callsHome?: string[]
}

const agents: Partial<Record<Agent, Habits>> = {
  'pi 0.73.1': {
    ask: (words) => ['-p', words],
    shell: (command) => ({ name: 'bash', input: { command } }),
    read: (path) => ({ name: 'read', input: { path } }),
    mend: (path) => ({ name: 'edit', input: { path, edits: [{ oldText: 'wrold', newText: 'world' }] } }),
  },
  'Cline CLI 3.0.65': {
    ask: (words) => [words],
    shell: (command) => ({ name: 'run_commands', input: { commands: [command] } }),
    read: (path) => ({ name: 'read_files', input: { files: [{ path }] } }),
    mend: (path) => ({ name: 'editor', input: { path, old_text: 'wrold', new_text: 'world' } }),
    callsHome: ['CONNECT data.cline.bot:443'],
  },
  'Qwen Code 0.24.4': {
    ask: (words) => ['--yolo', words],
    asksAgain: true,
    // It loses what a command prints right before its end where the machine is busy.
    shell: (command) => ({
      name: 'run_shell_command',
      input: { command: `${command} && sleep 1`, is_background: false },
    }),
    read: (path) => ({ name: 'read_file', input: { file_path: path } }),
    mend: (path) => ({ name: 'edit', input: { file_path: path, old_string: 'wrold', new_string: 'world' } }),
  },
}

for (const [name, { callsHome = [], asksAgain, ...habits }] of Object.entries(agents)) {
  const agent = name as Agent
  const manners: Manners = {
    ...habits,
    onStage: (setting: Omit<Setting, 'agent'>) => stage({ agent, callsHome, ...setting }),
    // What it does and thinks comes first.
    prints: (words) => expect.stringMatching(new RegExp(`${RegExp.escape(words)}\\n$`)),
    look: habits.read,
  }

  describe.skipIf(binOf(agent) === undefined)(agent, () => {
    test.concurrent('does a whole job by its launcher, and its reasoning comes back as it was', () => wholeJob(manners))

    if (asksAgain) test.concurrent('asks again when an answer breaks off', () => brokenAnswer(manners))
    else
      test.concurrent('says that an answer has broken off', async () => {
        await using story = await manners.onStage({ script: () => [{ breaksOff: 'Half of' }] })
        await story.run(habits.ask('Say something long.'), 1)
        expect(story.said()).toContain('could not answer')
        await story.close(['upstream_error'])
      })
  })
}
