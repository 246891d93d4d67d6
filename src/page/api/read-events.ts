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
