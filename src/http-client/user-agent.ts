/** The `user-agent` of every request that the gateway makes. */
export const userAgent = 'zai2api'
