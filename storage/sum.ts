/** The sum of two sets of numbers, name by name. */
export function sum<T extends { [K in keyof T]: number }>(a: T, b: T): T {
  const total = { ...a };
  for (const name of Object.keys(a) as (keyof T)[]) total[name] = (a[name] + b[name]) as T[keyof T];
  return total;
}
