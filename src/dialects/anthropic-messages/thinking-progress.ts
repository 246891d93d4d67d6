/** Tokens between two steps: at the pace of GLM that is about one a second. */
const stepTokens = 50
const charactersPerToken = 4

/**
 * How far thinking that is not shown has come. Takes each piece, and gives the tokens since the last step where one is
 * due, else 0.
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
