/** A line of two texts side by side: the same in both, or in one of them only. */
export interface DiffLine {
  kind: 'same' | 'del' | 'add'
  text: string
  /** From 1. */
  left?: number
  right?: number
}

/** With more differences than this, a comparison is slow and useless. */
const mostDifferences = 1_500

/** The shortest way from one list of lines to the other (Myers 1986). Texts that differ too much have nothing in common. */
export function diffLines(left: readonly string[], right: readonly string[]): DiffLine[] {
  let head = 0
  while (head < left.length && head < right.length && left[head] === right[head]) head++
  let tail = 0
  while (
    tail < left.length - head &&
    tail < right.length - head &&
    left[left.length - 1 - tail] === right[right.length - 1 - tail]
  )
    tail++
  const a = left.slice(head, left.length - tail)
  const b = right.slice(head, right.length - tail)
  const middle = shortest(a, b).map((line) => ({
    ...line,
    ...(line.left === undefined ? {} : { left: line.left + head }),
    ...(line.right === undefined ? {} : { right: line.right + head }),
  }))
  const same = (n: number, m: number): DiffLine => ({ kind: 'same', text: left[n] ?? '', left: n + 1, right: m + 1 })
  return [
    ...Array.from({ length: head }, (_, n) => same(n, n)),
    ...middle,
    ...Array.from({ length: tail }, (_, n) => same(left.length - tail + n, right.length - tail + n)),
  ]
}

function shortest(a: readonly string[], b: readonly string[]): DiffLine[] {
  const most = Math.min(a.length + b.length, mostDifferences)
  const reach = new Map<number, number>([[1, 0]])
  const trace: Map<number, number>[] = []
  for (let d = 0; d <= most; d++) {
    trace.push(new Map(reach))
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && at(reach, k - 1) < at(reach, k + 1))
      let x = down ? at(reach, k + 1) : at(reach, k - 1) + 1
      let y = x - k
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x++
        y++
      }
      reach.set(k, x)
      if (x >= a.length && y >= b.length) return wayBack(a, b, trace, d)
    }
  }
  return [
    ...a.map((text, n): DiffLine => ({ kind: 'del', text, left: n + 1 })),
    ...b.map((text, n): DiffLine => ({ kind: 'add', text, right: n + 1 })),
  ]
}

const at = (reach: ReadonlyMap<number, number>, k: number): number => reach.get(k) ?? -1

function wayBack(
  a: readonly string[],
  b: readonly string[],
  trace: readonly Map<number, number>[],
  last: number,
): DiffLine[] {
  const lines: DiffLine[] = []
  let x = a.length
  let y = b.length
  for (let d = last; d >= 0; d--) {
    const reach = trace[d] ?? new Map()
    const k = x - y
    const down = k === -d || (k !== d && at(reach, k - 1) < at(reach, k + 1))
    const before = down ? k + 1 : k - 1
    const fromX = d === 0 ? 0 : at(reach, before)
    const fromY = d === 0 ? 0 : fromX - before
    while (x > fromX && y > fromY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      lines.push({ kind: 'same', text: a[x - 1] ?? '', left: x, right: y })
      x--
      y--
    }
    if (d === 0) break
    if (down) {
      lines.push({ kind: 'add', text: b[y - 1] ?? '', right: y })
      y--
    } else {
      lines.push({ kind: 'del', text: a[x - 1] ?? '', left: x })
      x--
    }
  }
  return lines.reverse()
}
