/**
 * Checks a part of a request against its schema. Text of queries and paths is read as the number or truth it
 * stands for; bodies are taken as they are. What is wrong becomes one problem that names each field.
 */
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Value } from 'typebox/value'
import { ApiProblem } from './api-problem.ts'
import type { FieldProblem } from './contract.ts'

/** Enough to help, and no more than that. */
const FIELDS_SHOWN_MAX = 20

export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const compiled = Compile(schema)
  return (value: unknown) => {
    const given = httpPart === 'body' ? value : Value.Convert(schema, value)
    const completed = Value.Default(schema, given)
    if (compiled.Check(completed)) return { value: completed }
    return { error: invalid(compiled.Errors(completed)) }
  }
}

function invalid(errors: ReturnType<ReturnType<typeof Compile>['Errors']>): ApiProblem {
  const fields = errors.flatMap(fieldsOf).slice(0, FIELDS_SHOWN_MAX)
  const [first] = fields
  const detail = first ? `${first.field || 'the body'} ${first.message}` : 'the request does not fit'
  return new ApiProblem(400, 'api/invalid-request', detail, { fields })
}

function fieldsOf(error: ReturnType<ReturnType<typeof Compile>['Errors']>[number]): FieldProblem[] {
  const path = error.instancePath.slice(1).replaceAll('/', '.')
  const below = (names: readonly string[], message: string) =>
    names.map((name) => ({ field: path === '' ? name : `${path}.${name}`, message }))
  switch (error.keyword) {
    // Told by the two below.
    case 'boolean':
      return []
    case 'required':
      return below(error.params.requiredProperties, 'is missing')
    case 'additionalProperties':
      return below(error.params.additionalProperties, 'is not known')
    default:
      return [{ field: path, message: error.message }]
  }
}
