/** Whether everything is tried, as `make ci` does with `CUTS=all`. A run by hand tries a part of it, which finds nearly all. */
export const isThorough = process.env.CUTS === 'all'

/** The number of runs of a property: `most` if everything is tried, else a quarter. */
export function runs(most: number): number {
  return isThorough ? most : Math.ceil(most / 4)
}
