import { printable } from '../format/columns.ts';

/** Text that is HTML already. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type HtmlValue = Html | string | number | null | readonly (Html | string | number | null)[];

/**
 * A piece of HTML. What is put into it is text, and becomes HTML that shows that text, whatever it holds: names of namespaces,
 * interfaces and hosts come from whoever chose them. Only what was made by this function is taken as it is.
 */
export function html(parts: TemplateStringsArray, ...values: HtmlValue[]): Html {
  let text = parts[0]!;
  for (const [i, value] of values.entries()) text += asText(value) + parts[i + 1]!;
  return new Html(text);
}

function asText(value: HtmlValue): string {
  if (value === null) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value));
  return value.map(asText).join('');
}

const SIGNS: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML shows it, between tags and in attributes; control characters as \xHH. */
export function escapeHtml(text: string): string {
  return printable(text).replace(/[&<>"']/g, (sign) => SIGNS[sign]!);
}
