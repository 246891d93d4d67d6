import type { Class, TSEnumDeclaration, TSInterfaceDeclaration, TSSignature, TSType } from 'oxc-parser'
import { type Declaration, lookUp, type Scope } from './declarations.ts'

/** JSON Schema of draft 7, as far as types of SDKs need it. */
export interface Schema {
  $ref?: string
  type?: 'string' | 'number' | 'boolean' | 'null' | 'array' | 'object'
  const?: string | number | boolean
  enum?: (string | number | boolean)[]
  anyOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: Schema
}

export interface Schemas {
  /** By the name they refer to each other with. */
  definitions: Record<string, Schema>
  /** What the type asks for; it points into `definitions`. */
  of(declaration: Declaration): Schema
}

/**
 * Types as JSON Schemas. Members that a type does not know are let pass, as TypeScript lets them; `undefined` is no
 * member at all. Errors: plain, for a kind of type that is not read here: nothing is taken for `unknown`.
 */
export function createSchemas(): Schemas {
  const definitions: Record<string, Schema> = {}

  function of(declaration: Declaration): Schema {
    const { id, node, scope } = declaration
    const key = id.replaceAll(/[^\w.-]+/g, '_')
    if (!(key in definitions)) {
      definitions[key] = {} // there already for a type that holds itself
      definitions[key] = ofDeclared(node, scope)
    }
    return { $ref: key }
  }

  function ofDeclared(node: Declaration['node'], scope: Scope): Schema {
    switch (node.type) {
      case 'TSInterfaceDeclaration':
        return ofInterface(node, scope)
      case 'TSTypeAliasDeclaration':
        return ofType(node.typeAnnotation, scope)
      case 'TSEnumDeclaration':
        return { enum: wordsOf(node) }
      default:
        return ofClass(node, scope)
    }
  }

  /** What an instance holds, without its methods. */
  function ofClass(node: Class, scope: Scope): Schema {
    if (node.superClass) throw new Error(`a class that extends another in ${scope.id}`)
    const members = node.body.body.flatMap((member): [string, Schema, boolean][] =>
      member.type === 'PropertyDefinition' &&
      !member.static &&
      member.key.type === 'Identifier' &&
      member.typeAnnotation
        ? [[member.key.name, ofType(member.typeAnnotation.typeAnnotation, scope), member.optional === true]]
        : [],
    )
    return {
      type: 'object',
      properties: Object.fromEntries(members.map(([name, schema]) => [name, schema])),
      required: members.flatMap(([name, , isOptional]) => (isOptional ? [] : [name])),
    }
  }

  function ofInterface(node: TSInterfaceDeclaration, scope: Scope): Schema {
    const bases = node.extends.map(({ expression }) => {
      if (expression.type !== 'Identifier') throw new Error(`${node.id.name} extends a ${expression.type}`)
      const base = lookUp({ ...expression, type: 'Identifier' }, scope)
      if (base.node.type !== 'TSInterfaceDeclaration') throw new Error(`${node.id.name} extends no interface`)
      return ofInterface(base.node, base.scope)
    })
    const all = [...bases, ofMembers(node.body.body, scope)]
    const rest = all.findLast(({ additionalProperties }) => additionalProperties)?.additionalProperties
    return {
      type: 'object',
      properties: Object.fromEntries(all.flatMap(({ properties = {} }) => Object.entries(properties))),
      required: [...new Set(all.flatMap(({ required = [] }) => required))],
      ...(rest ? { additionalProperties: rest } : {}),
    }
  }

  function ofMembers(members: readonly TSSignature[], scope: Scope): Schema {
    const schema: Schema & { properties: Record<string, Schema>; required: string[] } = {
      type: 'object',
      properties: {},
      required: [],
    }
    for (const member of members) {
      if (member.type === 'TSIndexSignature') {
        schema.additionalProperties = ofType(member.typeAnnotation.typeAnnotation, scope)
        continue
      }
      if (member.type !== 'TSPropertySignature' || !member.typeAnnotation) throw new Error(`a member ${member.type}`)
      const name = member.key.type === 'Identifier' ? member.key.name : 'value' in member.key ? member.key.value : ''
      if (typeof name !== 'string' || name === '') throw new Error(`a member named by a ${member.key.type}`)
      schema.properties[name] = ofType(member.typeAnnotation.typeAnnotation, scope)
      if (!member.optional) schema.required.push(name)
    }
    return schema
  }

  function ofType(type: TSType, scope: Scope): Schema {
    switch (type.type) {
      case 'TSStringKeyword':
        return { type: 'string' }
      case 'TSNumberKeyword':
        return { type: 'number' }
      case 'TSBooleanKeyword':
        return { type: 'boolean' }
      case 'TSNullKeyword':
        return { type: 'null' }
      case 'TSUnknownKeyword':
        return {}
      case 'TSLiteralType':
        if (type.literal.type !== 'Literal' || !isConstant(type.literal.value)) throw new Error('a literal of no kind')
        return { const: type.literal.value }
      case 'TSTypeOperator':
        if (type.operator !== 'readonly') throw new Error(`a type made by ${type.operator}`)
        return ofType(type.typeAnnotation, scope)
      case 'TSParenthesizedType':
        return ofType(type.typeAnnotation, scope)
      case 'TSArrayType':
        return { type: 'array', items: ofType(type.elementType, scope) }
      case 'TSTypeLiteral':
        return ofMembers(type.members, scope)
      case 'TSUnionType':
        return ofUnion(type.types.map((one) => ofType(one, scope)))
      case 'TSIntersectionType': {
        // `string & {}`: any text, beside words an editor may propose.
        const [first, second] = type.types
        if (first?.type !== 'TSStringKeyword' || second?.type !== 'TSTypeLiteral') throw new Error('an intersection')
        return { type: 'string' }
      }
      case 'TSTypeReference': {
        const [argument] = type.typeArguments?.params ?? []
        if (type.typeName.type === 'Identifier' && type.typeName.name === 'Array' && argument)
          return { type: 'array', items: ofType(argument, scope) }
        if (type.typeName.type === 'Identifier' && type.typeName.name === 'Record') {
          const [, values] = type.typeArguments?.params ?? []
          return { type: 'object', ...(values ? { additionalProperties: ofType(values, scope) } : {}) }
        }
        if (argument) throw new Error(`a type of types in ${scope.id}`)
        return of(lookUp(type.typeName, scope))
      }
      default:
        throw new Error(`a type of the kind ${type.type} in ${scope.id}`)
    }
  }

  return { definitions, of }
}

function wordsOf({ id, body }: TSEnumDeclaration): string[] {
  return body.members.map(({ initializer }) => {
    if (initializer?.type !== 'Literal' || typeof initializer.value !== 'string') throw new Error(`words of ${id.name}`)
    return initializer.value
  })
}

/** Words stand together, so that a fault names them all. */
function ofUnion(types: readonly Schema[]): Schema {
  const words = types.flatMap((type) => (type.const === undefined ? [] : [type.const]))
  const others = types.filter((type) => type.const === undefined)
  if (others.length === 0) return { enum: words }
  return { anyOf: [...(words.length > 0 ? [{ enum: words }] : []), ...others] }
}

function isConstant(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}
