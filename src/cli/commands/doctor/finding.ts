/** What one check found, and the one thing to do about it. */
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

/** What was found out about one upstream. */
export interface Examined {
  findings: Finding[]
  /** There is a way in: it makes sense to ask it something. */
  usable: boolean
}

export function passed({ status }: Finding): boolean {
  return status === 'pass'
}

export function failed({ status }: Finding): boolean {
  return status === 'fail'
}
