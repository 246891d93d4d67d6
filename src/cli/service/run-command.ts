import type { RunCommand } from './steps.ts'

/**
 * Where root's commands are looked for. PATH may name a folder that somebody else can write to, such as `.`; the last two
 * are those of NixOS.
 */
const systemPath = '/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin:/run/wrappers/bin'

/** Runs the commands of this machine. Those of root come from the folders of the system alone. */
export function systemCommands(env: Record<string, string | undefined>, uid: number): RunCommand {
  const isRoot = uid === 0
  const PATH = isRoot ? systemPath : (env.PATH ?? '')
  return async ([name = '', ...args], isQuiet = false) => {
    const program = Bun.which(name, { PATH })
    if (program === null) throw new Error(`there is no ${name}`)
    const output = isQuiet ? 'ignore' : 'inherit'
    const child = Bun.spawn([program, ...args], {
      env: isRoot ? { ...env, PATH } : env,
      ...{ stdin: 'inherit', stdout: output, stderr: output },
    })
    return await child.exited
  }
}
