import { ApiError, errorOf } from '../api/client.ts'
import { root } from '../router.ts'

/** What a client is told of a model. `input` names what it takes: `text`, `image`. */
export interface Model {
  id: string
  input: readonly string[] | undefined
}

/** The models that a key may use. Errors: ApiError. */
export async function readModels(token: string): Promise<Model[]> {
  let response: Response
  try {
    response = await fetch(`${root}v1/models`, token ? { headers: { authorization: `Bearer ${token}` } } : {})
  } catch {
    throw new ApiError(0, '')
  }
  if (!response.ok) throw await errorOf(response)
  const { data } = (await response.json()) as { data: { id: string; architecture?: { input_modalities?: string[] } }[] }
  return data.map(({ id, architecture }) => ({ id, input: architecture?.input_modalities }))
}
