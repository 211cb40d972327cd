import type { FilterNode } from '../../storage/filter-ast.ts';

/**
 * Reads the filter of a command. The parser is loaded here, for those who have a filter, and what looks names up for those who
 * ask for it.
 * @param isResolving that is `--resolve`: names stand for addresses and ports, as resolveFilter has it
 * @returns null for a blank expression: every flow
 * @throws UsageError with the expression, a caret and what was expected
 */
export async function readFilter(expression: string, isResolving: boolean): Promise<FilterNode | null> {
  if (expression.trim() === '') return null;
  if (isResolving) {
    const { resolveFilter } = await import('./resolve.ts');
    return resolveFilter(expression);
  }
  const { parseFilter } = await import('./parse.ts');
  return parseFilter(expression);
}
