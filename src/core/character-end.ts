/** `at`, or one less if `at` is inside a character of two units. */
export function characterEnd(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at
}
