import type { ReplyBlock } from '../../core/events.ts'
import type { EventWriter } from './event-writer.ts'
import type { Item, OutputItems } from './items.ts'

/** The events with which the items of a stream begin and end. */
export interface ItemEvents {
  /** Begins the item of a block. Returns its position, which every event inside it has. */
  open(index: number, block: ReplyBlock, out: string[]): object
  /** Records that a block is complete. Its item is done when the next event shows that the reply was not cut inside it. */
  end(index: number, block: ReplyBlock): void
  /** Ends the item of the last complete block. */
  endLastItem(status: 'completed' | 'incomplete', out: string[]): void
  /** The position of a block. `name` is that of a call. */
  position(index: number, type: ReplyBlock['type'], name?: string): object
  /** The items that are done. */
  output: Item[]
}

export function itemEvents(items: OutputItems, writer: EventWriter): ItemEvents {
  const output: Item[] = []
  // The block that is complete, and whose item is not done yet.
  let last: { index: number; block: ReplyBlock } | undefined

  return {
    open(index, block, out) {
      endLastItem('completed', out)
      out.push(writer.event('response.output_item.added', { output_index: index, item: items.started(index, block) }))
      return position(index, block.type, block.type === 'tool-call' ? block.name : undefined)
    },
    end(index, block) {
      last = { index, block }
    },
    endLastItem,
    position,
    output,
  }

  function endLastItem(status: 'completed' | 'incomplete', out: string[]): void {
    if (!last) return
    const item = items.item(last.index, last.block, status)
    output.push(item)
    out.push(writer.event('response.output_item.done', { output_index: last.index, item }))
    last = undefined
  }

  function position(index: number, type: ReplyBlock['type'], name?: string): object {
    return { item_id: items.idOf(index, type, name), output_index: index }
  }
}
