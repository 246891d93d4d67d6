/** The clients that `zai2api NAME` runs, under the names of their executables. Other client setups are for libraries. */
export const programs = {
  claude: { title: 'Claude Code', package: '@anthropic-ai/claude-code' },
  codex: { title: 'Codex', package: '@openai/codex' },
  gemini: { title: 'Gemini CLI', package: '@google/gemini-cli' },
  opencode: { title: 'opencode', package: 'opencode-ai' },
} as const satisfies Record<string, { title: string; package: string }>

export type Program = keyof typeof programs

export const programNames = Object.keys(programs) as Program[]

/** The path of an installed program; `undefined` if it is not on the PATH. */
export function installed(program: string, { env, cwd }: Surroundings): string | undefined {
  return Bun.which(program, { PATH: env.PATH ?? '', cwd }) ?? undefined
}

interface Surroundings {
  env: Record<string, string | undefined>
  cwd: string
}
