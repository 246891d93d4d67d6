import { shapeOf } from './shape.ts'

/** A JSON response with an example. Its schema is derived from the example unless one is given. */
export function jsonResponse(description: string, example: object, schema = shapeOf(example)): object {
  return { description, content: { 'application/json': { schema, example } } }
}
