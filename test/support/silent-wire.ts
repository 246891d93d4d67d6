import type { Socket } from 'bun'

/** A network between a client and a port of loopback. */
export interface SilentWire {
  port: number
  /** Bytes that went nowhere. */
  swallowed(): number
  /** Nothing passes any more, on old connections and new ones, and none is closed: a firewall that drops packets. */
  silence(): void
  /** New connections work again; the old ones stay silent. */
  restore(): void
  /** New connections go to this port. */
  redirect(port: number): void
  /** Ends all connections. */
  cut(): void
  stop(): void
}

export function silentWire(port: number): SilentWire {
  type Ends = { other?: Socket<Ends>; waiting: Buffer[]; isDead: boolean }
  let isSilent = false
  let swallowed = 0
  let target = port
  const open = new Set<Socket<Ends>>()
  const pass = (socket: Socket<Ends>, bytes: Buffer) => {
    if (isSilent || socket.data.isDead) swallowed += bytes.length
    else if (socket.data.other) socket.data.other.write(bytes)
    else socket.data.waiting.push(Buffer.from(bytes))
  }
  const close = (socket: Socket<Ends>) => {
    open.delete(socket)
    socket.data.other?.end()
  }
  const cut = () => {
    for (const socket of [...open]) socket.terminate()
  }
  const listener = Bun.listen<Ends>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      async open(socket) {
        socket.data = { waiting: [], isDead: isSilent }
        open.add(socket)
        try {
          const other = await Bun.connect<Ends>({
            ...{ hostname: '127.0.0.1', port: target, data: { other: socket, waiting: [], isDead: isSilent } },
            socket: { data: pass, close },
          })
          open.add(other)
          socket.data.other = other
          for (const bytes of socket.data.waiting.splice(0)) other.write(bytes)
        } catch {
          socket.end()
        }
      },
      data: pass,
      close,
    },
  })
  return {
    port: listener.port,
    swallowed: () => swallowed,
    silence() {
      isSilent = true
      for (const socket of open) socket.data.isDead = true
    },
    restore() {
      isSilent = false
    },
    redirect(to) {
      target = to
    },
    cut,
    stop() {
      cut()
      listener.stop(true)
    },
  }
}
