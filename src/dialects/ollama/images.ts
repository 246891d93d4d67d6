import { dataOf } from '../../core/data-url.ts'
import type { ImagePart } from '../../core/request.ts'

/** Images are sent without their type, which is found in the data before they go to a model. */
const assumedType = 'image/png'

export function imageParts(images: readonly string[] | null | undefined): ImagePart[] {
  return (images ?? []).map((image) => ({
    type: 'image',
    source: dataOf(image) ?? { type: 'base64', mediaType: assumedType, data: image },
  }))
}
