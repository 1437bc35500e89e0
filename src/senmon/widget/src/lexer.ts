// Markdown as tokens: marked's lexer, with maths, with bold text that touches Japanese, without HTML.
// A chunk of its own, loaded when the chat is opened for the first time.

import { Lexer, Tokenizer, type MarkedOptions, type Token, type Tokens } from "marked";

export interface Maths {
  type: "maths";
  raw: string;
  tex: string;
  display: boolean;
}

type Found = Tokens.Generic | undefined;
type This = { lexer: Lexer };

const MAX_TEXT = 60_000;
const MAX_TEX = 2_000;

/** HTML has no meaning here: it stays the text that it is. */
class PlainTokenizer extends Tokenizer {
  override html(): undefined {}
  override tag(): undefined {}
}

const DISPLAY = /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])/;
const DISPLAY_BLOCK = /^ {0,3}(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n+|$)/;
const INLINE = /^\\\(([\s\S]+?)\\\)/;
const DOLLARS = /^\$(?!\s)((?:\\.|[^$\\\n])+?)\$(?![\p{L}\p{N}])/u;
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}　-〿＀-￯]/u;
const CJK_STRONG = /^\*\*(?![\s*])((?:[^*\n]|\*(?!\*))+?)(?<!\s)\*\*(?!\*)/;

function maths(match: RegExpExecArray | null, display: boolean): Found {
  const tex = (match?.[1] ?? match?.[2] ?? "").trim();
  if (!match || !tex || tex.length > MAX_TEX) return undefined;
  return { type: "maths", raw: match[0], tex, display };
}

/** "$5 and $10" is money: what stands between two dollars must look like maths, not like a sentence. */
export function looksLikeMaths(tex: string): boolean {
  if (/\s$/.test(tex)) return false;
  const words = tex.replace(/\\(?:text|mathrm|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+/g, " ");
  if (/\p{L}{3,}/u.test(words) || /\p{L}{2,}\s+\p{L}{2,}/u.test(words)) return false;
  return /[\\^_={}<>]|^[-+]?\d*\p{L}'?$|[\p{L}\d)]\s*[-+*/·×÷]\s*[\p{L}\d(]/u.test(tex);
}

function dollars(this: This, source: string, before: Token[]): Found {
  if (source[0] !== "$") return undefined;
  const last = before.at(-1)?.raw.at(-1) ?? "";
  const match = /[\p{L}\p{N}\\$]/u.test(last) ? null : DOLLARS.exec(source);
  return match && looksLikeMaths(match[1]) ? maths(match, false) : undefined;
}

/** CommonMark's rule of flanks knows no writing without spaces: `**「語」**です` is bold. */
function boldCjk(this: This, source: string): Found {
  const match = source.startsWith("**") ? CJK_STRONG.exec(source) : null;
  if (!match || !CJK.test(match[1] + (source[match[0].length] ?? ""))) return undefined;
  return { type: "strong", raw: match[0], text: match[1], tokens: this.lexer.inlineTokens(match[1]) };
}

const inlineMaths = (source: string): Found =>
  source[0] === "\\" || source[0] === "$"
    ? (maths(INLINE.exec(source), false) ?? maths(DISPLAY.exec(source), true))
    : undefined;

const at = (pattern: RegExp) => (source: string) => {
  const found = pattern.exec(source);
  return found ? found.index : undefined;
};

const OPTIONS = {
  gfm: true,
  breaks: true,
  extensions: {
    renderers: {},
    childTokens: {},
    block: [(source: string) => maths(DISPLAY_BLOCK.exec(source), true)],
    inline: [inlineMaths, dollars, boldCjk],
    startBlock: [at(/\n {0,3}(?:\$\$|\\\[)/)],
    startInline: [at(/\\[([]|\$/), at(/\*\*/)],
  },
};

/** Emphasis does not reach into formulas: their stars and underscores are masked while it is looked for. */
const HOOKS = {
  emStrongMask: (source: string) =>
    source.replace(/\\\([\s\S]+?\\\)|\\\[[\s\S]+?\\\]|\$\$[^$]+?\$\$/g, (found) => "a".repeat(found.length)),
};

/** The tokens of a text; null where it can't be read as Markdown (too long, nested too deeply). */
export function lex(text: string): Token[] | null {
  if (text.length > MAX_TEXT || /(?:^|\n)(?:[ >]{200}|.{0,20}[>*_[]{300})/.test(text)) return null;
  try {
    const options = { ...OPTIONS, hooks: HOOKS, tokenizer: new PlainTokenizer() } as unknown as MarkedOptions;
    return new Lexer(options).lex(text);
  } catch {
    return null;
  }
}
