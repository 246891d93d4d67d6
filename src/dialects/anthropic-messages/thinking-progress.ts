/** Tokens between two progress events. GLM writes about that many in a second. */
const stepTokens = 50
const charactersPerToken = 4

/**
 * Measures the progress of reasoning that is not shown. For each piece, returns the tokens since the last progress
 * event if one is due, otherwise 0.
 */
export function thinkingProgress(): (piece: string) => number {
  let characters = 0
  return (piece) => {
    characters += piece.length
    const steps = Math.floor(characters / (charactersPerToken * stepTokens))
    characters -= steps * charactersPerToken * stepTokens
    return steps * stepTokens
  }
}
