import { asGatewayError } from '../../core/errors.ts'
import type { Delta } from '../../core/events.ts'
import { demandsCall, type Tool, type ToolChoice } from '../../core/request.ts'
import { type LegalRequest, withLegalToolNames } from '../../core/tool-names.ts'
import type { Transform } from '../../core/transform.ts'
import type { UpstreamCall } from '../../core/upstream.ts'

/** What all attempts at one call share. */
export interface PreparedCall {
  /** The call with tool names that the server accepts. */
  call: UpstreamCall
  /** The tools that the reply may call; empty if calls are forbidden. */
  tools: readonly Tool[]
  /** The name as the client wrote it. */
  toolChoice: ToolChoice
  /** The reply has to contain a call. As long as nothing of it has been shown, a reply without one can be retried. */
  mustCallTool: boolean
  /** Restores the client's own tool names in the reply. */
  restoreNames: Transform<Delta, Delta> | undefined
  restoreErrorNames: LegalRequest['restoreError']
}

export interface PrepareCallOptions {
  /** Whether tools are used at all. */
  tools: boolean
  /** The server accepts any tool name, so none is replaced. */
  takesAnyToolName?: boolean
}

export function prepareCall(
  asked: UpstreamCall,
  { tools: usesTools, takesAnyToolName }: PrepareCallOptions,
): PreparedCall {
  const legal: LegalRequest = takesAnyToolName
    ? { request: asked.request, restoreError: asGatewayError }
    : withLegalToolNames(asked.request)
  const { request } = legal
  return {
    call: request === asked.request ? asked : { ...asked, request },
    tools: usesTools && request.toolChoice !== 'none' ? request.tools : [],
    toolChoice: asked.request.toolChoice,
    mustCallTool: usesTools && demandsCall(request),
    restoreNames: legal.restore,
    restoreErrorNames: legal.restoreError,
  }
}
