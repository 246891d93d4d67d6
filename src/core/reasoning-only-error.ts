import { GatewayError } from './errors.ts'

/** A reply that ended well but held only reasoning. `text` is the part of it that comes closest to an answer. */
export class ReasoningOnlyError extends GatewayError {
  readonly text: string

  constructor(text: string) {
    super('upstream-malformed', 'The model thought and did not answer. Try again.', { code: 'upstream_empty_response' })
    this.name = 'OnlyReasoning'
    this.text = text
  }
}
