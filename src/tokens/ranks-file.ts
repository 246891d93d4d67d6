import dataFile from 'gpt-tokenizer/data/o200k_base.tiktoken' with { type: 'file' }
import { type RankTable, readTable } from './ranks.ts'

/**
 * Makes the vocabulary's table from the package's file. In the executable, deploy/build.ts replaces this module by one
 * that contains the finished table, because making it takes 50 ms.
 */
export async function rankTable(): Promise<RankTable> {
  return readTable(await Bun.file(dataFile).bytes())
}
