/** Z.AI's services that issue keys, by the names that settings have for them. */
export const apiServices = ['general', 'coding', 'bigmodel', 'bigmodel-coding'] as const
export type ApiService = (typeof apiServices)[number]

/** The service where none is named. */
export const usualService: ApiService = 'general'

/** The schema of a setting that selects a service: a name, or an address. */
export const apiServiceText = {
  pattern: `^(${apiServices.join('|')}|https?://[^/@\\s]+/\\S*v4/?)$`,
  description: `${apiServices.join(', ')} or an http(s) URL that ends in /v4`,
}
