/**
 * Uses a resource and closes it, also when `use` throws. Instead of a `using` declaration, which Node 22 cannot parse in
 * sources that run without a compiler.
 * @returns what `use` returned; `use` must be synchronous
 */
export function withResource<R extends Disposable, T>(resource: R, use: (resource: R) => T): T {
  try {
    return use(resource);
  } finally {
    resource[Symbol.dispose]();
  }
}
