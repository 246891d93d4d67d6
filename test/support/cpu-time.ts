/** Milliseconds of CPU time that this thread has used. A busy machine does not change it, as it changes the time of a clock. */
export function cpuTimeMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
