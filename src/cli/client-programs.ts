/** The clients that `zai2api NAME` runs, under the names of their executables. Other client setups are for libraries. */
export const programs = {
  claude: { title: 'Claude Code', install: 'npm install -g @anthropic-ai/claude-code' },
  codex: { title: 'Codex', install: 'npm install -g @openai/codex' },
  gemini: { title: 'Gemini CLI', install: 'npm install -g @google/gemini-cli' },
  opencode: { title: 'opencode', install: 'npm install -g opencode-ai' },
  qwen: { title: 'Qwen Code', install: 'npm install -g @qwen-code/qwen-code' },
  pi: { title: 'pi', install: 'npm install -g @mariozechner/pi-coding-agent' },
  cline: { title: 'Cline', install: 'npm install -g cline' },
  aider: { title: 'aider', install: 'pip install aider-chat' },
  goose: { title: 'goose', install: 'its documentation says how to install it' },
  crush: { title: 'Crush', install: 'npm install -g @charmland/crush' },
} as const satisfies Record<string, { title: string; install: string }>

export type ClientProgram = keyof typeof programs

export const programNames = Object.keys(programs) as ClientProgram[]

/** The path of an installed program; `undefined` if it is not on the PATH. */
export function installed(program: string, { env, cwd }: ProgramSearch): string | undefined {
  return Bun.which(program, { PATH: env.PATH ?? '', cwd }) ?? undefined
}

interface ProgramSearch {
  env: Record<string, string | undefined>
  cwd: string
}
