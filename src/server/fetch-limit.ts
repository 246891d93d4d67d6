/**
 * Bun runs no more than 256 outgoing requests at a time unless a variable said otherwise before it started. The
 * executable therefore starts itself once more, in the same process: number, arguments and open files stay. This file
 * is imported for that effect, before anything else. It costs a start of the engine, 15 to 50 ms, so only a server does
 * it, and only where a proxy is set: without one, questions to the models go over sockets of our own, which have no limit.
 * Windows has no `execve`: there the variable is the operator's.
 */
import { isProxied } from '../config/proxy-variables.ts'

const variable = 'BUN_CONFIG_MAX_HTTP_REQUESTS'
const compiled = import.meta.path.startsWith('/$bunfs/')
const [command = 'serve'] = process.argv.slice(2)
const serves = command === 'serve' || command.startsWith('--')

// `bun src/main.ts` is not what `execPath` and the arguments would start again; the Makefile sets the variable.
if (compiled && serves && isProxied(process.env) && process.execve && !process.env[variable]) {
  try {
    const env = Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
    const again = { ...Object.fromEntries(env), [variable]: '20000' }
    process.execve(process.execPath, [process.execPath, ...process.argv.slice(2)], again)
  } catch {
    // It serves all the same, 256 at a time.
  }
}
