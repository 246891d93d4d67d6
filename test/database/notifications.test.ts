import { expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { createNotifications } from '../../src/database/notifications.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'

test('a server that refuses to let listen is asked again on another connection', async () => {
  const clock = manualClock()
  const heard: (string | undefined)[] = []
  let connections = 0
  let isRefusing = true
  const connect = () => {
    connections++
    const connection = {
      unsafe: async () => [],
      async listen(channel: string, _onPayload: unknown, onListen?: () => void) {
        if (isRefusing && channel === 'news') throw new Error('cannot execute LISTEN')
        onListen?.()
      },
      close: async () => {},
    }
    return connection as unknown as SQL
  }
  const notifications = createNotifications({ connect, notify: async () => {}, clock, newId: () => 'id' })
  notifications.listen('news', (payload) => void heard.push(payload))
  for (const count of [2, 3])
    await until(() => {
      clock.advance(100)
      return connections >= count
    }, 'another connection')
  isRefusing = false
  await until(() => {
    clock.advance(100)
    return heard.length > 0
  }, 'it to listen')
  expect(heard).toEqual([undefined])
  notifications.close()
})
