/** How a shell sets and unsets an environment variable. */
interface ShellSyntax {
  set(name: string, value: string): string
  unset(name: string): string
}

/** `bash` stands for all shells with Bourne syntax. */
export const shells = {
  bash: {
    set: (name, value) => `export ${name}='${value.replaceAll("'", "'\\''")}'`,
    unset: (name) => `unset ${name}`,
  },
  fish: {
    set: (name, value) => `set -gx ${name} '${value.replace(/[\\']/g, '\\$&')}'`,
    unset: (name) => `set -e ${name}`,
  },
  powershell: {
    // PowerShell treats typographic quotes like plain ones.
    set: (name, value) => `$env:${name} = '${value.replace(/['\u2018-\u201b]/g, '$&$&')}'`,
    unset: (name) => `Remove-Item Env:${name} -ErrorAction SilentlyContinue`,
  },
} as const satisfies Record<string, ShellSyntax>

/** A word of a command line with Bourne syntax; quoted where it has to be. */
export function quoteForShell(word: string): string {
  return /^[\w/.:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

export type Shell = keyof typeof shells

/** The user's shell according to the environment. */
export function shellOf({ SHELL, OS }: Record<string, string | undefined>): Shell {
  if (SHELL === undefined) return OS === 'Windows_NT' ? 'powershell' : 'bash'
  if (/\bpwsh|powershell/i.test(SHELL)) return 'powershell'
  return /\bfish$/.test(SHELL) ? 'fish' : 'bash'
}
