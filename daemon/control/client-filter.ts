import type { FilterNode } from '../../storage/filter-ast.ts';
import { decodeFilter, FilterJsonError } from '../../storage/filter-json.ts';
import { type FilterScope, inapplicable } from '../../storage/filter-scope.ts';
import { ControlError } from './errors.ts';

/**
 * The filter that a client sent.
 * @param text  as filter-json.ts has it, which bounds what it may cost; '': none
 * @param scope what it is to be asked of
 * @throws ControlError CONTROL_BAD_REQUEST
 */
export function clientFilter(text: string, scope: FilterScope): FilterNode | null {
  if (text === '') return null;
  let filter: FilterNode;
  try {
    filter = decodeFilter(text);
  } catch (error) {
    if (!(error instanceof FilterJsonError)) throw error;
    throw new ControlError('CONTROL_BAD_REQUEST', error.message, { cause: error });
  }
  const [wrong] = inapplicable(filter, scope);
  if (wrong !== undefined) throw new ControlError('CONTROL_BAD_REQUEST', `filter: ${wrong.message}`);
  return filter;
}
