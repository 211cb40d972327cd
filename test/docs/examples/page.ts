/** A command of a page, and what the page says it prints. */
export interface Example {
  /** Number of its first line in the page, from 1. */
  line: number;
  /** As bash reads it; continued lines are joined by line feeds, without the prompt. */
  command: string;
  /** Lines that the page shows. */
  shown: readonly string[];
  /** All numbers may differ: `<!-- docs: about -->` stands above its block. */
  isAbout: boolean;
  /** Lines may come in another order: `<!-- docs: unordered -->`. */
  isUnordered: boolean;
  /** Columns of the terminal that it is run in: `<!-- docs: terminal N -->` stands above its block; null: a pipe. */
  columns: number | null;
}

/** A command that is run and not shown, from a comment `<!-- docs: run … -->` or `<!-- docs: valid NAME … -->`. */
export interface Hidden {
  line: number;
  command: string;
  /** What it prints has to be JSON, valid by this definition of docs/json.schema.json; null: any output. */
  schema: string | null;
}

/** A block whose commands are shown and not run: ```sh. */
export interface NotRun {
  line: number;
  lines: readonly string[];
}

/** What a page asks to be run, in its order, and what it only shows. */
export interface Page {
  steps: readonly (Example | Hidden)[];
  notRun: readonly NotRun[];
  /** True when it has `<!-- docs: lab -->`: it makes namespaces, and is run in a world of its own, which needs root. */
  needsLab: boolean;
  /** Programs that the page wants beside those of nstap, from `<!-- docs: needs a b -->`. */
  tools: readonly string[];
}

/** What comments above a block ask for. */
type Asks = Pick<Example, 'isAbout' | 'isUnordered' | 'columns'>;

const NOTHING_ASKED: Asks = { isAbout: false, isUnordered: false, columns: null };
const PROMPT = '$ ';
/** The second prompt of bash; behind it a blank, unless the line is empty. */
const CONTINUED = /^> ?/;

export function isExample(step: Example | Hidden): step is Example {
  return 'shown' in step;
}

/**
 * Reads the blocks and comments of a page in Markdown.
 * @throws Error with the line of a block that is not closed, a comment that says nothing known, or a block without a command
 */
export function readPage(text: string): Page {
  const lines = text.split('\n');
  const steps: (Example | Hidden)[] = [];
  const notRun: NotRun[] = [];
  const tools: string[] = [];
  let needsLab = false;
  let asks = NOTHING_ASKED;
  for (let at = 0; at < lines.length; at++) {
    const [, word, begin] = /^<!-- docs: (\S+)\s*(.*)$/.exec(lines[at]!) ?? [];
    if (word !== undefined) {
      const from = at;
      let said = begin!;
      while (!said.endsWith('-->')) {
        if (++at === lines.length) throw new Error(`line ${from + 1}: the comment has no end`);
        said += `\n${lines[at]}`;
      }
      said = said.slice(0, -3).trim();
      if (word === 'run') steps.push({ line: from + 1, command: said, schema: null });
      else if (word === 'valid') steps.push({ line: from + 1, ...validOf(said) });
      else if (word === 'lab') needsLab = true;
      else if (word === 'needs') tools.push(...said.split(' '));
      else if (word === 'about') asks = { ...asks, isAbout: true };
      else if (word === 'unordered') asks = { ...asks, isUnordered: true };
      else if (word === 'terminal') asks = { ...asks, columns: Number(said) };
      else throw new Error(`line ${from + 1}: nothing is known of "docs: ${word}"`);
      continue;
    }
    const [, fence, language] = /^ *(```+)(\S*)/.exec(lines[at]!) ?? [];
    if (fence === undefined) continue;
    const end = lines.findIndex((line, i) => i > at && line.trim() === fence);
    if (end < 0) throw new Error(`line ${at + 1}: the block has no end`);
    const body = lines.slice(at + 1, end);
    if (language === 'console') steps.push(...examplesOf(body, at + 2, asks));
    else if (language === 'sh') notRun.push({ line: at + 1, lines: body });
    else if (body.some((line) => /^\$ \S/.test(line) || /^# (?:nstap|ip) /.test(line)))
      throw new Error(`line ${at + 1}: a block with a command has to be \`\`\`console`);
    asks = NOTHING_ASKED;
    at = end;
  }
  return { steps, notRun, needsLab, tools };
}

/** The page with what was printed in place of what it shows. @param printed by example; those that are not in it stay */
export function withOutputs(text: string, printed: ReadonlyMap<Example, readonly string[]>): string {
  const lines = text.split('\n');
  // From the end, so that the numbers of the lines before stay.
  for (const [example, output] of [...printed].sort(([a], [b]) => b.line - a.line)) {
    const first = example.line - 1 + example.command.split('\n').length;
    lines.splice(first, example.shown.length, ...output);
  }
  return lines.join('\n');
}

function examplesOf(body: readonly string[], line: number, asks: Asks): Example[] {
  const examples: (Example & { shown: string[] })[] = [];
  for (const [i, text] of body.entries()) {
    const last = examples.at(-1);
    if (text.startsWith(PROMPT))
      examples.push({ line: line + i, command: text.slice(PROMPT.length), shown: [], ...asks });
    else if (last === undefined) throw new Error(`line ${line + i}: the block has to begin with a command`);
    else if (CONTINUED.test(text) && last.shown.length === 0)
      last.command += `\n${text.replace(CONTINUED, '')}`;
    else last.shown.push(text);
  }
  return examples;
}

function validOf(said: string): { schema: string; command: string } {
  const blank = said.indexOf(' ');
  return { schema: said.slice(0, blank), command: said.slice(blank + 1) };
}
