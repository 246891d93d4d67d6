import type { Clock } from '../core/clock.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Gateway } from '../gateway/index.ts'
import type { CallOptions } from '../gateway/start-call.ts'
import type { Lookup } from '../http-client/dns.ts'
import type { Fetch } from '../http-client/send.ts'
import type { McpLimits } from './hosted-calls.ts'
import { createHostedTools } from './hosted-tools.ts'
import { rounds } from './rounds.ts'
import type { ServerRules } from './server-rules.ts'

export interface McpOptions {
  fetch: Fetch
  lookup: Lookup
  clock: Clock
  /** Called for each request, because the limits may change while the gateway runs. */
  rules: () => ServerRules
  limits: () => McpLimits
  /** Marks a caller's approval as used. Resolves with whether this is its first use. */
  useApproval: (caller: string, approval: string) => Promise<boolean>
}

/**
 * Adds tools of MCP servers to a gateway: it lists them for a request, and calls them within the reply. Requests
 * without MCP servers pass unchanged.
 *
 * Errors of `start`, besides those of the gateway: `invalid-request` if MCP is off, `forbidden` for a server that is
 * not allowed. The reply rejects if a server cannot list its tools, because the model would answer without them.
 */
export function withMcp(gateway: Gateway, { fetch, lookup, clock, rules, limits, useApproval }: McpOptions): Gateway {
  return {
    ...gateway,
    async start(wanted, options) {
      const { mcp } = wanted
      if (mcp === undefined) return await gateway.start(wanted, options)
      const { signal, observer, annotate, caller } = options
      const own = limits()
      const hosted = createHostedTools(mcp, {
        ...{ fetch, lookup, clock, signal, observer, limits: own },
        useApproval: (approval) => useApproval(caller, approval),
        access: { rules: rules(), callerRules: options.allowed?.mcpServers },
      })
      let request: ChatRequest = wanted
      const complete: CallOptions['complete'] = async (prepared) => {
        const completed = await hosted.completed(prepared)
        request = { ...completed, tools: [...prepared.tools, ...hosted.tools()] }
        return completed
      }
      const startRound = async (next: ChatRequest) => await (await gateway.start(next, options)).reply
      try {
        const call = await gateway.start(wanted, { ...options, complete })
        const most = own.rounds
        call.reply = call.reply.then(
          (first) => rounds(first, { hosted, request: () => request, most, startRound, annotate }),
          (thrown) => {
            hosted.close()
            throw thrown
          },
        )
        return call
      } catch (thrown) {
        hosted.close()
        throw thrown
      }
    },
  }
}
