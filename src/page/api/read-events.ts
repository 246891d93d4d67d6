import { createParser, type EventSourceMessage } from 'eventsource-parser'

/** Reads a response of server-sent events to its end. Errors: those of the connection, and whatever `onEvent` throws. */
export async function readEvents(response: Response, onEvent: (event: EventSourceMessage) => void): Promise<void> {
  const parser = createParser({ onEvent })
  const decoder = new TextDecoder()
  const reader = response.body?.getReader()
  for (;;) {
    const read = await reader?.read()
    if (!read || read.done) return
    parser.feed(decoder.decode(read.value, { stream: true }))
  }
}

/** The same for a response with one JSON value a line. */
export async function readLines(response: Response, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  const reader = response.body?.getReader()
  let rest = ''
  for (;;) {
    const read = await reader?.read()
    const lines = (rest + decoder.decode(read?.value, { stream: !read?.done })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') onLine(line)
    if (!read || read.done) break
  }
  if (rest.trim() !== '') onLine(rest)
}
