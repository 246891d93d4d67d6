/**
 * Normalises a name that a user gives: composed (NFC), without space around it, and with single spaces inside.
 * `undefined` if it is empty, too long, or holds invisible characters: control, direction and zero-width characters,
 * fillers, variation selectors, private and unassigned ones, or marks on nothing. Two names that look alike to the
 * reader of a list would otherwise be two.
 */
export function visibleName(text: string, longest: number): string | undefined {
  const name = text.normalize('NFC').trim().replace(/ +/g, ' ')
  return name.length > 0 && name.length <= longest && !unseen.test(name) && !/^\p{M}/u.test(name) ? name : undefined
}

/** U+2800 is the pattern of Braille without a dot. Of the spaces only the ordinary one is allowed. */
const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/u

/**
 * The pattern of a name without any space, for schemas. Their patterns know no classes of Unicode, so that each is listed.
 * U+DB40 begins tags and variation selectors.
 */
export const visibleWord =
  '^[^\\s\\x00-\\x1f\\x7f-\\x9f\\xad\\u034f\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890\\u0891\\u08e2\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ufe00-\\ufe0f\\uffa0\\ufff0-\\ufffb\\udb40]+$'
