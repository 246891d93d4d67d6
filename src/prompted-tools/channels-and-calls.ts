import type { Delta } from '../core/events.ts'
import { chain, type Transform } from '../core/transform.ts'
import { type ChannelOptions, channels } from './channels.ts'
import { withoutDoubledCalls } from './doubled-calls.ts'
import { toolCallParser } from './parse.ts'

export interface ChannelsAndCallsOptions extends ChannelOptions {
  /** Gives the client its own names of tools back, where they were changed. */
  restoreNames: Transform<Delta, Delta> | undefined
}

/**
 * Sorts a reply: reasoning and answer go to their channels, and tool calls written as text become tool-call deltas, since
 * every model now and then writes a call instead of making it.
 */
export function channelsAndCalls({ restoreNames, ...options }: ChannelsAndCallsOptions): Transform<Delta, Delta> {
  const { tools, scanLimit } = options
  const sorted = channels(options)
  if (tools.length === 0) return restoreNames ? chain(sorted, restoreNames) : sorted
  const parsed = chain(sorted, chain(toolCallParser(tools, { scanLimit }), withoutDoubledCalls()))
  return restoreNames ? chain(parsed, restoreNames) : parsed
}
