/** The result of one check. `next` is what the user should do about it. */
export interface Finding {
  status: 'pass' | 'warn' | 'fail' | 'skip'
  check: string
  says: string
  next?: string
}

export function pass(check: string, says: string): Finding {
  return { status: 'pass', check, says }
}

export function skip(check: string, says: string): Finding {
  return { status: 'skip', check, says }
}

export function warn(check: string, says: string, next: string): Finding {
  return { status: 'warn', check, says, next }
}

export function fail(check: string, says: string, next: string): Finding {
  return { status: 'fail', check, says, next }
}

/** The findings about one upstream. */
export interface Examined {
  findings: Finding[]
  /** Whether the upstream can be asked for a reply: it is reachable and has a valid credential. */
  usable: boolean
}

export function passed({ status }: Finding): boolean {
  return status === 'pass'
}

export function failed({ status }: Finding): boolean {
  return status === 'fail'
}
