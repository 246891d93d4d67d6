/** Returns a function that passes each note on once, however often it is given. */
export function annotateOnce(annotate: (note: string) => void): (note: string) => void {
  const notes = new Set<string>()
  return (note) => {
    if (notes.has(note)) return
    notes.add(note)
    annotate(note)
  }
}
