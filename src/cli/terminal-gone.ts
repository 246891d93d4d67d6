import { closeSync, openSync, readFileSync } from 'node:fs'

/**
 * Resolves when SIGHUP says that the terminal is gone. Where there is no terminal, as under systemd, it asks for the
 * configuration to be read anew: then `reread` is called, for a server that has one.
 *
 * The signal does not end the process any more, however often it comes: a shell repeats what the system has said. A
 * process that was started to ignore it (`nohup`) does not stop for it.
 */
export function terminalGone(reread: (() => void) | undefined): Promise<void> {
  const ignored = isIgnored()
  const hadTerminal = hasTerminal()
  const isForeground = process.stdout.isTTY === true
  const gone = Promise.withResolvers<void>()
  if (ignored && reread === undefined) return gone.promise
  process.on('SIGHUP', () => {
    const isGone = isForeground || (hadTerminal && !hasTerminal())
    if (!ignored && (isGone || reread === undefined)) gone.resolve()
    else reread?.()
  })
  return gone.promise
}

/** Whether there is a terminal whose end this process is told of. */
function hasTerminal(): boolean {
  if (process.platform === 'win32') return false
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}

/** Whether SIGHUP is ignored, as by `nohup`. Only Linux says so. */
function isIgnored(): boolean {
  try {
    const [, mask = '0'] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
    return (BigInt(`0x${mask}`) & 1n) === 1n
  } catch {
    return false
  }
}
