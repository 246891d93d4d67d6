import { GatewayError } from '../core/errors.ts'
import { leastReplyTokens, type SpendingCall } from '../core/spending.ts'
import type { BudgetRow, Reserve } from '../store/budget-rows.ts'
import { amountText, atomsOf } from './budget.ts'
import { windowAt } from './window.ts'

/** The cost of one token, in atoms of a budget's unit. */
export interface AtomRates {
  input: number
  cached: number
  output: number
}

/** An upstream call before it is made. Units: tokens. */
export interface PlannedCall {
  prompt: SpendingCall['prompt']
  /** Whether `prompt.most` is the whole context window of the model: see `SpendingCall`. */
  isOpenEnded?: boolean | undefined
  /** The limit of its reply. */
  reply: number
  /** The longest possible reply under this limit. It grows with the limit. */
  longestReply: (maxTokens: number) => number
}

export interface Afforded {
  /** How long the reply may be, in tokens: `Call.reply` or less. */
  reply: number
  /** One for each budget, in their order. */
  amounts: Reserve[]
}

/**
 * More tokens than a model writes between two extensions of a reservation (30 seconds at 130 tokens a second). After a
 * crash, a reservation is settled as if they had been written.
 */
export const unseenTokens = 4_096

/**
 * The amount that each budget has to reserve for a call, and the longest reply with which no budget is exceeded. `now`
 * decides which window the call belongs to.
 *
 * Errors: `quota-exhausted` if a budget is used up, `rate-limited` if running requests have reserved the rest.
 */
export function afford(
  budgets: readonly BudgetRow[],
  ratesOf: (unit: BudgetRow['unit']) => AtomRates,
  call: PlannedCall,
  now: number,
): Afforded {
  const current = budgets.map((budget) => {
    const span = windowAt(budget.window, budget.startedAt, now)
    const rolled = span.startedAt !== budget.startedAt
    const counters = rolled
      ? { settled: 0, reserved: 0, generation: budget.generation + 1 }
      : { settled: budget.settled, reserved: budget.reserved, generation: budget.generation }
    return { ...budget, ...counters, span, rates: ratesOf(budget.unit) }
  })
  const least = Math.min(call.reply, leastReplyTokens)
  let reply = call.reply
  for (const budget of current) {
    const left = budget.limit - budget.settled
    const tokens = repliesPaidBy(left - budget.reserved, budget.rates, call)
    if (tokens < least)
      throw repliesPaidBy(left, budget.rates, call) < least
        ? usedUp(budget, left, { call, resetsAt: budget.span.resetsAt, now })
        : heldByOthers(budget, left, call)
    reply = Math.min(reply, tokens)
  }
  const longest = call.longestReply(reply)
  return {
    reply,
    amounts: current.map(({ span, rates, settled, reserved, generation }) => ({
      startedAt: span.startedAt,
      ...{ settled, reserved, generation },
      amount: costOf(call.prompt.most, longest, rates),
      estimate: costOf(call.prompt.likely, Math.min(longest, unseenTokens), rates),
    })),
  }
}

/** Rounded up, because budgets are whole numbers of atoms. */
export function costOf(prompt: number, reply: number, { input, output }: AtomRates): number {
  return Math.ceil(prompt * input + reply * output)
}

/** The longest reply that `free` atoms pay for, together with its prompt; -1 if they do not even pay for the prompt. */
function repliesPaidBy(free: number, rates: AtomRates, { prompt, reply, longestReply }: PlannedCall): number {
  const isPaid = (tokens: number) => costOf(prompt.most, longestReply(tokens), rates) <= free
  if (isPaid(reply)) return reply
  let paid = -1
  let unpaid = reply
  while (unpaid - paid > 1) {
    const middle = Math.floor((paid + unpaid) / 2)
    if (isPaid(middle)) paid = middle
    else unpaid = middle
  }
  return paid
}

interface BudgetRefusal {
  call: PlannedCall
  resetsAt: number | undefined
  now: number
}

function usedUp(budget: BudgetRow, left: number, { call, resetsAt, now }: BudgetRefusal): GatewayError {
  const what = `${amountText(budget.unit, Math.max(0, left) / atomsOf[budget.unit])} of ${budgetName(budget)}`
  const resets =
    resetsAt === undefined
      ? 'It does not reset by itself: ask whoever runs this gateway.'
      : `It resets at ${new Date(resetsAt).toISOString()}.`
  return new GatewayError(
    'quota-exhausted',
    left <= 0
      ? `The budget of this key is used up: ${budgetName(budget)}. ${resets}`
      : `The budget of this key is used up: what is left, ${what}, does not pay for this prompt and a short answer.${promptLength(call)} ${resets}`,
    {
      code: 'budget_used_up',
      ...(resetsAt === undefined ? {} : { retryAfterMs: resetsAt - now, details: { resets_at: resetsAt } }),
    },
  )
}

const heldRetryMs = 2_000

function heldByOthers(budget: BudgetRow, left: number, call: PlannedCall): GatewayError {
  return new GatewayError(
    'rate-limited',
    `The other requests of this key that are under way have reserved what is left of its budget, ${amountText(budget.unit, left / atomsOf[budget.unit])} of ${budgetName(budget)}. What they do not use is free when they are over.${promptLength(call)}`,
    { code: 'budget_reserved', retryAfterMs: heldRetryMs },
  )
}

function promptLength({ isOpenEnded, prompt }: PlannedCall): string {
  const most = prompt.most.toLocaleString('en-US')
  return isOpenEnded
    ? ` Nobody knows beforehand how long a file or video by URL is, or what a web search finds, so ${most} tokens have to be free, as many as the model can read.`
    : ` Until the model has counted the prompt, ${most} tokens are set aside for it.`
}

function budgetName({ unit, limit, window }: BudgetRow): string {
  const amount = amountText(unit, limit / atomsOf[unit])
  if (window === 'total') return `${amount} in total`
  return /^\d+h$/.test(window) ? `${amount} in ${window.slice(0, -1)} hours` : `${amount} a ${window}`
}
