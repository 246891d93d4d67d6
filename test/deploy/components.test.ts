import { describe, expect, test } from 'bun:test'
import { billOfMaterials, notice } from '../../deploy/components.ts'
import { collectPackages } from '../../src/cli/licences/collect-packages.ts'

const parts = collectPackages()

test('NOTICE has the text of each licence, or says where it stands', () => {
  const text = notice('1.2.3', parts)
  expect(text).toStartWith('zai2api 1.2.3 is one executable file')
  for (const { name, version, text: licence } of parts) {
    expect(text).toContain(`\n${name} ${version}: `)
    expect(text).toContain(licence)
  }
  // Whoever brings no text has to be looked at once.
  const wordless = parts.filter(({ text: licence }) => !/permission|copyright|licensed under/i.test(licence))
  expect(wordless.map(({ name }) => name)).toEqual(['@tokenizer/token', 'bun'])
})

describe('the bill of materials', () => {
  const madeAt = new Date('2026-11-30T00:00:00Z')
  const text = billOfMaterials('1.2.3', parts, madeAt)
  const bill = JSON.parse(text)

  test('is CycloneDX with every part, its licence and its hash', () => {
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 })
    expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(bill.components).toHaveLength(parts.length)
    for (const { purl, licenses, hashes } of bill.components) {
      expect(purl).toMatch(/^pkg:npm\/(%40[\w.-]+\/)?[\w.-]+@\d/)
      expect(licenses).toHaveLength(1)
      expect(hashes[0].content).toMatch(/^[0-9a-f]{128}$/)
    }
    const refs = bill.components.map((part: { 'bom-ref': string }) => part['bom-ref'])
    expect(new Set(refs).size).toBe(refs.length)
  })

  test('is the same for the same commit, and another for other parts', () => {
    expect(billOfMaterials('1.2.3', collectPackages(), madeAt)).toBe(text)
    expect(JSON.parse(billOfMaterials('1.2.3', parts.slice(1), madeAt)).serialNumber).not.toBe(bill.serialNumber)
  })
})
