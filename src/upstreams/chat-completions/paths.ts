/** The paths of the protocol below a server's base URL. */
export const paths = { chat: '/chat/completions', embeddings: '/embeddings', models: '/models' } as const
