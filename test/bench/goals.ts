import { baselineOf, type Measured } from './rounds.ts'

/** One row of the table. */
interface Goal {
  name: string
  unit: '×' | 'µs' | 'ms' | 'MB' | 'KB' | ''
  /** Absent if the row has no goal. */
  must?: number
  aim?: number
  /** Whether a higher figure is better, for example requests a second. */
  more?: true
  of: (figure: (name: string) => number) => number
}

/** All ratios are of figures from one round. */
export const goals: readonly Goal[] = [
  ...[300, 1000].flatMap((streams) => [
    ratio(`CPU per event, ${streams} paced streams, to tight`, `paced${streams}.gateway.cpu`, 'tight', {
      must: 1.3,
      aim: 1.15,
    }),
    ratio(`CPU per event, ${streams} paced streams, to nginx`, `paced${streams}.gateway.cpu`, 'nginx', {
      must: 2.4,
      aim: 2,
    }),
  ]),
  ratio('CPU per event, bursts, chat, to tight', 'burst.gateway.cpu', 'tight', { must: 3, aim: 1.6 }),
  ratio('CPU per event, bursts, messages, to tight', 'burst.messages.cpu', 'tight', { must: 3, aim: 1.6 }),
  {
    name: 'CPU per event, 1000 streams to 100',
    unit: '×',
    must: 0.9,
    aim: 0.75,
    of: (figure) => figure('paced1000.gateway.cpu') / figure('paced100.gateway.cpu'),
  },
  ...[
    { load: 'first20 streams', name: '20 clients, one paced stream after the other' },
    { load: 'first20 paused', name: '20 clients, short replies, pauses of 50 ms' },
  ].flatMap(({ load, name }) => [
    added(`first event, ${name}, p50, added`, `${load}.gateway.first50`, { must: 2, aim: 1.5 }),
    added(`first event, ${name}, p99, added`, `${load}.gateway.first99`, { must: 6, aim: 4 }),
  ]),
  ...[
    { streams: 1000, goal: { must: 100, aim: 30 } },
    { streams: 2000, goal: { must: 600, aim: 350 } },
  ].map(({ streams, goal }) =>
    added(`first event, ${streams} streams opened within 0.5 s, p99, added`, `opened${streams}.gateway.first99`, goal),
  ),
  // Loads that keep a CPU core busy at any speed, so their result is the number of requests a second.
  added('first event, 20 clients, short replies, no pauses, p50, added', 'first20.gateway.first50'),
  added('first event, 20 clients, short replies, no pauses, p99, added', 'first20.gateway.first99'),
  added('first event, 1000 streams opened at once, p99, added', 'paced1000.gateway.first99'),
  added('first event, 2000 streams opened at once, p99, added', 'paced2000.gateway.first99'),
  added('event, 100 paced streams, p50, added', 'paced100.gateway.latency50', { must: 0.25, aim: 0.15 }),
  added('event, 100 paced streams, p99, added', 'paced100.gateway.latency99', { must: 2, aim: 1 }),
  { ...plain('streams complete, 2000 at 20 events/s', '', 2000, 2000, 'paced2000.gateway.complete'), more: true },
  plain('memory when idle', 'MB', 100, 75, 'idle.gateway.mb'),
  plain('memory added by a stream, at 1000', 'KB', 60, 42, 'paced1000.gateway.kbPerStream'),
  ratio('CPU per whole reply, to tight', 'whole.gateway.cpu', 'tight', { must: 2, aim: 1.5 }),
  ratio('CPU per event, 300 paced streams, to CAPTURE=off', 'paced300.gateway.cpu', 'off', { must: 1.03, aim: 1.01 }),
  ratio('CPU per event, 300 paced streams, with CAPTURE=memory, to CAPTURE=off', 'paced300.memory.cpu', 'off', {
    must: 1.25,
    aim: 1.15,
  }),
  {
    name: 'CPU of a whole reply, added to CAPTURE=off',
    unit: 'µs',
    must: 15,
    aim: 10,
    of: (figure) => figure('whole.gateway.cpu') - figure('whole.off.cpu'),
  },
  {
    name: 'CPU of a whole reply, added by CAPTURE=memory',
    unit: 'µs',
    of: (figure) => figure('whole.memory.cpu') - figure('whole.off.cpu'),
  },
  plain('memory when idle, with CAPTURE=memory', 'MB', 80, 75, 'idle.memory.mb'),
  ratio('CPU per event, 300 paced streams, with a database file, to one in memory', 'paced300.file.cpu', 'gateway', {
    must: 1.03,
    aim: 1.01,
  }),
  {
    name: 'CPU of a whole reply, added by a database file',
    unit: 'µs',
    must: 15,
    aim: 10,
    of: (figure) => figure('whole.file.cpu') - figure('whole.gateway.cpu'),
  },
  plain('memory when idle, with a database file', 'MB', 80, 75, 'idle.file.mb'),
  { ...ratio('whole replies a second, to tight', 'whole.gateway.rps', 'tight', { must: 0.5, aim: 0.7 }), more: true },
  added('request of 1 MB, first event, added', 'large1.gateway.first50', { must: 10, aim: 6 }),
  // Another way to meet the row before it.
  ratio('request of 1 MB, first event, to tight', 'large1.gateway.first50', 'tight'),
  added('request of 8 MB, first event, added', 'large8.gateway.first50', { must: 60, aim: 40 }),
  ratio('request of 8 MB, first event, to tight', 'large8.gateway.first50', 'tight'),
  {
    name: 'longest gaps of 100 streams beside 8 MB requests, p99, added',
    unit: 'ms',
    must: 60,
    aim: 30,
    of: (figure) => figure('beside.gateway.gap99') - figure('alone.gateway.gap99'),
  },
  ratio("CPU of an agent's hour, chat, to tight", 'agent.gateway.cpu', 'tight'),
  ratio("CPU of an agent's hour, messages, to tight", 'agent.messages.cpu', 'tight'),
  plain('start to the first 200', 'ms', 120, 70, 'start.gateway.ms'),
  {
    name: 'replies that lost a byte',
    unit: '',
    must: 0,
    aim: 0,
    of: (figure) =>
      [
        'paced100.gateway',
        'paced300.gateway',
        'paced300.messages',
        'paced1000.gateway',
        'paced2000.gateway',
        'burst.gateway',
        'burst.messages',
        'opened1000.gateway',
        'opened2000.gateway',
        'first20.gateway',
        'first20 paused.gateway',
        'first20 streams.gateway',
        'whole.gateway',
        'large1.gateway',
        'large8.gateway',
        'beside.gateway',
        'agent.gateway',
        'agent.messages',
      ].reduce((lost, load) => lost + (figure(`${load}.lost`) || 0), 0),
  },
  {
    name: 'cut upstreams that end in an error event, of 80',
    unit: '',
    must: 80,
    aim: 80,
    more: true,
    of: (figure) => figure('cut.gateway.told') + figure('cut.messages.told'),
  },
]

function plain(name: string, unit: Goal['unit'], must: number, aim: number, figure: string): Goal {
  return { name, unit, must, aim, of: (of) => of(figure) }
}

/** To the same figure of another target. */
function ratio(name: string, figure: string, to: string, goal: Pick<Goal, 'must' | 'aim'> = {}): Goal {
  return { name, unit: '×', ...goal, of: (of) => of(figure) / of(other(figure, to)) }
}

/** To what a client measures that asks the upstream itself. */
function added(name: string, figure: string, goal: Pick<Goal, 'must' | 'aim'> = {}): Goal {
  return { name, unit: 'ms', ...goal, of: (of) => of(figure) - of(other(figure, 'direct')) }
}

function other(figure: string, target: string): string {
  return figure.replace(/\.\w+\./, `.${target}.`)
}

/**
 * The table, one line a goal: the median of the rounds and their range. Where another executable was measured as well, it
 * has a column, and the last one tells ours to it: the median of what each round says of the two.
 */
export function table(rounds: readonly Measured[]): string {
  const compared = rounds.some((measured) => measured.has(`start.${baselineOf('gateway')}.ms`))
  const lines = goals.flatMap((goal) => {
    const ours = rounds.map((measured) => goal.of((name) => measured.get(name) ?? Number.NaN))
    const values = sorted(ours)
    const median = middle(values)
    if (median === undefined) return []
    const theirs = rounds.map((measured) => goal.of((name) => measured.get(inBaseline(name)) ?? Number.NaN))
    const cells = [
      goal.name,
      shown(median, goal),
      `${shown(values[0] ?? median, goal)} to ${shown(values.at(-1) ?? median, goal)}`,
      verdict(goal, median),
      ...(compared ? comparison(goal, ours, theirs) : []),
    ]
    return [`| ${cells.join(' | ')} |`]
  })
  const columns = ['', 'median', 'range', 'must', 'aim', 'reached', ...(compared ? ['baseline', 'to baseline'] : [])]
  return [`| ${columns.join(' | ')} |`, `|---|--:|--:|--:|--:|---|${compared ? '--:|--:|' : ''}`, ...lines].join('\n')
}

function comparison(goal: Goal, ours: number[], theirs: number[]): string[] {
  const median = middle(sorted(theirs))
  const ratio = middle(sorted(ours.map((value, round) => value / (theirs[round] ?? Number.NaN))))
  if (median === undefined) return ['–', '–']
  // To nothing there is no ratio.
  return [shown(median, goal), ratio === undefined || !Number.isFinite(ratio) ? '–' : `${ratio.toFixed(2)}×`]
}

/** The same figure of the other executable; those of relays and of the upstream are of neither. */
function inBaseline(figure: string): string {
  return figure.replace(/\.(gateway|messages)\./, (_, target: string) => `.${baselineOf(target)}.`)
}

function sorted(values: number[]): number[] {
  return values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b)
}

function middle(sorted: number[]): number | undefined {
  return sorted[sorted.length >> 1]
}

/** The last three columns. */
function verdict(goal: Goal, median: number): string {
  const { must, aim } = goal
  if (must === undefined || aim === undefined) return '– | – | –'
  const meets = (limit: number) => (goal.more ? median >= limit : median <= limit)
  return [shown(must, goal), shown(aim, goal), meets(aim) ? 'aim' : meets(must) ? 'must' : 'MISSED'].join(' | ')
}

function shown(value: number, { unit }: Goal): string {
  const digits = unit === '' ? 0 : Math.abs(value) >= 20 ? 0 : 2
  return unit === '' || unit === '×' ? `${value.toFixed(digits)}${unit}` : `${value.toFixed(digits)} ${unit}`
}

/** CPU per event of every target, as absolute figures. */
export function absolutes(rounds: readonly Measured[]): string {
  const names = [...(rounds[0]?.keys() ?? [])].filter((name) => name.endsWith('.cpu'))
  const lines = names.map((name) => {
    const values = sorted(rounds.map((measured) => measured.get(name) ?? Number.NaN))
    const [load, target] = name.split('.')
    return `| ${load} | ${target} | ${(middle(values) ?? Number.NaN).toFixed(2)} µs |`
  })
  return ['| load | target | CPU per event or request |', '|---|---|--:|', ...lines].join('\n')
}
