/** How a shell is told a variable. */
interface ShellSyntax {
  set(name: string, value: string): string
  unset(name: string): string
}

/** `bash` stands for everything that grew from the Bourne shell. */
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
    // It takes typographic quotes for plain ones.
    set: (name, value) => `$env:${name} = '${value.replace(/['\u2018-\u201b]/g, '$&$&')}'`,
    unset: (name) => `Remove-Item Env:${name} -ErrorAction SilentlyContinue`,
  },
} as const satisfies Record<string, ShellSyntax>

export type Shell = keyof typeof shells

/** The shell somebody types into, as far as the environment tells. */
export function shellOf({ SHELL, OS }: Record<string, string | undefined>): Shell {
  if (SHELL === undefined) return OS === 'Windows_NT' ? 'powershell' : 'bash'
  if (/\bpwsh|powershell/i.test(SHELL)) return 'powershell'
  return /\bfish$/.test(SHELL) ? 'fish' : 'bash'
}
