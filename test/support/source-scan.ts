import { SyntaxKind } from "typescript/unstable/ast";
import { createScanner, type Scanner } from "typescript/unstable/ast/scanner";

/** A token of TypeScript source; comments are none. */
export interface Token {
  readonly kind: "word" | "string" | "other";
  /** As written, but for a string: its value. */
  readonly text: string;
  readonly line: number;
}

/**
 * The tokens of a source file. Comments, and what is written inside strings, templates and regular
 * expressions, are not taken for code; the expressions inside templates are.
 */
export function tokensOf(source: string): Token[] {
  const scanner = createScanner(true);
  scanner.setText(source);
  const tokens: Token[] = [];
  /** For every template that we are inside an expression of: how many braces are open in there. */
  const templates: number[] = [];
  let line = 1;
  let counted = 0;
  for (;;) {
    const kind = rescanned(scanner, scanner.scan(), { templates, before: tokens.at(-1) });
    if (kind === SyntaxKind.EndOfFile) return tokens;
    const start = scanner.getTokenStart();
    line += source.slice(counted, start).split("\n").length - 1;
    counted = start;
    tokens.push({ ...described(kind, scanner), line });
  }
}

interface Surroundings {
  readonly templates: number[];
  readonly before: Token | undefined;
}

/** The scanner does not know by itself whether `/` divides and whether `}` goes on with a template. */
function rescanned(scanner: Scanner, kind: SyntaxKind, around: Surroundings): SyntaxKind {
  const { templates, before } = around;
  if (kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken) {
    return endsOperand(before) ? kind : scanner.reScanSlashToken();
  }
  if (kind === SyntaxKind.TemplateHead) templates.push(0);
  const open = templates.at(-1);
  if (open === undefined) return kind;
  if (kind === SyntaxKind.OpenBraceToken) templates.splice(-1, 1, open + 1);
  if (kind !== SyntaxKind.CloseBraceToken) return kind;
  templates.splice(-1, 1, open - 1);
  if (open > 0) return kind;
  const next = scanner.reScanTemplateToken(false);
  templates.pop();
  if (next !== SyntaxKind.TemplateTail) templates.push(0);
  return next;
}

/** Words after which an expression starts all the same. */
const OPERATORS: ReadonlySet<string> = new Set([
  "return",
  "typeof",
  "case",
  "in",
  "of",
  "await",
  "void",
]);

function endsOperand(token: Token | undefined): boolean {
  if (token === undefined) return false;
  if (token.kind === "other") return /[)\]}0-9`]$/.test(token.text);
  return token.kind === "string" || !OPERATORS.has(token.text);
}

function described(kind: SyntaxKind, scanner: Scanner): Omit<Token, "line"> {
  if (kind === SyntaxKind.StringLiteral || kind === SyntaxKind.NoSubstitutionTemplateLiteral) {
    return { kind: "string", text: scanner.getTokenValue() };
  }
  const text = scanner.getTokenText();
  return { kind: /^[\p{ID_Start}$_]/u.test(text) ? "word" : "other", text };
}

export interface Import {
  /** The specifier; undefined if it is not written out. */
  readonly from: string | undefined;
  readonly line: number;
}

/** Whatever a file takes from elsewhere: import, import type, export … from, import(), require(). */
export function importsOf(tokens: readonly Token[]): Import[] {
  return tokens.flatMap((token, i) => {
    const before = tokens[i - 1]?.text ?? "";
    if (token.kind !== "word" || [".", "?."].includes(before)) return [];
    return importAt(token, tokens.slice(i + 1, i + 4)) ?? [];
  });
}

function importAt({ text, line }: Token, next: readonly Token[]): Import | undefined {
  const [first, second, third] = next;
  if (["import", "require"].includes(text) && first?.text === "(") {
    const isWrittenOut =
      second?.kind === "string" && third !== undefined && /^[),]$/.test(third.text);
    return { from: isWrittenOut ? second.text : undefined, line };
  }
  const isNamed = ["from", "import"].includes(text) && first?.kind === "string";
  return isNamed ? { from: first.text, line } : undefined;
}
