import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import {
  type Class,
  parseSync,
  type Statement,
  type TSEnumDeclaration,
  type TSInterfaceDeclaration,
  type TSTypeAliasDeclaration,
  type TSTypeName,
  type TSTypeReference,
} from 'oxc-parser'

/** A type that a package declares, and where names within it are looked up. */
export interface Declaration {
  /** `openai/resources/models.d.ts Model`: one name for one type, however it is reached. */
  id: string
  node: TSInterfaceDeclaration | TSTypeAliasDeclaration | TSEnumDeclaration | Class
  scope: Scope
}

/** A file, or a namespace in it. */
export interface Scope {
  id: string
  outer?: Scope
  types: Map<string, Declaration>
  spaces: Map<string, Scope>
  /** What is imported, read when it is asked for. */
  imports: Map<string, () => Scope | Declaration | undefined>
}

/** Reads declaration files, each once. */
export function createReader(): (path: string) => Scope {
  const files = new Map<string, Scope>()
  const read = (path: string): Scope => {
    const known = files.get(path)
    if (known) return known
    const { program, errors } = parseSync(path, readFileSync(path, 'utf8'))
    if (errors[0]) throw new Error(`${path}: ${errors[0].message}`)
    const scope = emptyScope(path.replace(/^.*\/node_modules\//, ''))
    files.set(path, scope)
    declare(scope, program.body, (source) => read(resolve(dirname(path), source.replace(/\.js$/, '.d.ts'))))
    return scope
  }
  return read
}

function emptyScope(id: string, outer?: Scope): Scope {
  return { id, ...(outer ? { outer } : {}), types: new Map(), spaces: new Map(), imports: new Map() }
}

function declare(scope: Scope, statements: readonly Statement[], read: (source: string) => Scope): void {
  for (const statement of statements) {
    const node = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    switch (node?.type) {
      case 'TSInterfaceDeclaration':
      case 'TSTypeAliasDeclaration':
      case 'TSEnumDeclaration':
        scope.types.set(node.id.name, { id: `${scope.id} ${node.id.name}`, node, scope })
        break
      case 'ClassDeclaration':
        if (node.id) scope.types.set(node.id.name, { id: `${scope.id} ${node.id.name}`, node, scope })
        break
      case 'TSModuleDeclaration': {
        if (node.id.type !== 'Identifier' || node.body?.type !== 'TSModuleBlock') break
        const space = scope.spaces.get(node.id.name) ?? emptyScope(`${scope.id} ${node.id.name}`, scope)
        scope.spaces.set(node.id.name, space)
        declare(space, node.body.body, read)
        break
      }
      case 'ImportDeclaration': {
        const { source, specifiers } = node
        if (!source.value.startsWith('.')) break
        for (const specifier of specifiers) {
          const { local } = specifier
          if (specifier.type === 'ImportNamespaceSpecifier') scope.imports.set(local.name, () => read(source.value))
          if (specifier.type === 'ImportSpecifier' && specifier.imported.type === 'Identifier') {
            const { name } = specifier.imported
            scope.imports.set(local.name, () => read(source.value).types.get(name))
          }
        }
      }
    }
  }
}

/** Errors: plain, for a name that nothing declares. */
export function lookUp(name: TSTypeName | TSTypeReference['typeName'], from: Scope): Declaration {
  const path = pathOf(name)
  for (let scope: Scope | undefined = from; scope; scope = scope.outer) {
    const found = within(scope, path)
    if (found) return found
  }
  throw new Error(`nothing declares ${path.join('.')} for ${from.id}`)
}

function within(scope: Scope, [first = '', ...rest]: readonly string[]): Declaration | undefined {
  const imported = scope.imports.get(first)?.()
  if (rest.length === 0) return scope.types.get(first) ?? (imported && 'node' in imported ? imported : undefined)
  const space = scope.spaces.get(first) ?? (imported && 'types' in imported ? imported : undefined)
  return space && within(space, rest)
}

function pathOf(name: TSTypeName): string[] {
  switch (name.type) {
    case 'Identifier':
      return [name.name]
    case 'TSQualifiedName':
      return [...pathOf(name.left), name.right.name]
    default:
      throw new Error(`a name of the kind ${name.type}`)
  }
}
