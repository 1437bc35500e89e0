// Tokens → lit templates. Only the kinds named here have a form; everything else is text. No HTML is ever parsed.

import { html, noChange, nothing, type TemplateResult } from "lit";
import { directive, Directive, type PartInfo, type ChildPart } from "lit/directive.js";
import { guard } from "lit/directives/guard.js";
import type { Token, Tokens } from "marked";
import { canRead, decoded, lex, safeUrl } from "./reader";
import { formula } from "./maths";

const MAX_DEPTH = 12;
const REL = "noopener noreferrer nofollow ugc";

type Piece = TemplateResult | unknown;

/** Text in one node that changes at its end only: a selection in it survives. */
class GrowingText extends Directive {
  private node: Text | null = null;

  constructor(info: PartInfo) {
    super(info);
  }

  render(text: string): unknown {
    return text;
  }

  override update(_part: ChildPart, [text]: [string]): unknown {
    if (!this.node) {
      this.node = document.createTextNode(text);
      return this.node;
    }
    const now = this.node.data;
    if (text !== now) {
      // Only what differs at the end: a range that ends before it stays.
      let same = 0;
      while (same < now.length && now[same] === text[same]) same += 1;
      this.node.replaceData(same, now.length - same, text.slice(same));
    }
    return noChange;
  }
}

export const growing = directive(GrowingText);

/** A message. One that did not change is not looked at again, nor is a block of one that did. */
export const markdown = (text: string): Piece => guard([text, canRead()], () => read(text));

function read(text: string): Piece {
  const tokens = lex(text);
  if (!tokens) return html`<p class="plain">${growing(text)}</p>`;
  return tokens.map((token) => guard([token.type, token.raw], () => block(token, 0)));
}

function block(token: Token, depth: number): Piece {
  if (depth > MAX_DEPTH) return token.raw;
  const any = token as Tokens.Generic;
  switch (token.type) {
    case "space":
    case "def":
      return nothing;
    case "hr":
      return html`<hr />`;
    case "heading":
      return heading(Math.min(6, any.depth + 2), inlines(any.tokens, depth));
    case "paragraph":
      return html`<p>${inlines(any.tokens, depth)}</p>`;
    case "text":
      return any.tokens ? inlines(any.tokens, depth) : growing(decoded(any.text));
    case "maths":
      return html`<div class="display" dir="ltr">${formula(any.tex, true)}</div>`;
    case "blockquote":
      return html`<blockquote>${blocks(any.tokens, depth)}</blockquote>`;
    case "code":
      return html`<pre dir="ltr" tabindex="0"><code>${growing(any.text)}</code></pre>`;
    case "list":
      return list(token as Tokens.List, depth);
    case "table":
      return table(token as Tokens.Table, depth);
    default:
      return html`<p>${growing(token.raw)}</p>`;
  }
}

const blocks = (tokens: Token[] | undefined, depth: number): Piece =>
  (tokens ?? []).map((token) => block(token, depth + 1));

function heading(level: number, inside: Piece): Piece {
  if (level === 3) return html`<h3>${inside}</h3>`;
  if (level === 4) return html`<h4>${inside}</h4>`;
  return level === 5 ? html`<h5>${inside}</h5>` : html`<h6>${inside}</h6>`;
}

function list(token: Tokens.List, depth: number): Piece {
  const items = token.items.map((item) => {
    const mark = item.task ? (item.checked ? "☑ " : "☐ ") : "";
    return html`<li>${mark}${blocks(item.tokens.filter((inner) => inner.type !== "checkbox"), depth)}</li>`;
  });
  if (!token.ordered) return html`<ul>${items}</ul>`;
  return html`<ol start=${Number(token.start) || 1}>${items}</ol>`;
}

function table(token: Tokens.Table, depth: number): Piece {
  const head = token.header.map((cell) => html`<th scope="col">${inlines(cell.tokens, depth)}</th>`);
  const rows = token.rows.map(
    (row) => html`<tr>${row.map((cell) => html`<td>${inlines(cell.tokens, depth)}</td>`)}</tr>`,
  );
  return html`<div class="wide" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

const CLOSING = /^[.,;:!?)\]}»”’。、）」]+/;

function inlines(tokens: Token[] | undefined, depth: number): Piece {
  let held = 0;
  return (tokens ?? []).map((token, index, all) => {
    const skipped = held;
    held = 0;
    const any = token as Tokens.Generic;
    if (any.type === "maths" && !any.display) {
      // No line begins with the full stop after a formula.
      const after = all[index + 1];
      const mark = after?.type === "text" && !(after as Tokens.Text).tokens ? CLOSING.exec((after as Tokens.Text).text)?.[0] : undefined;
      held = mark?.length ?? 0;
      return html`<span class="maths"><span dir="ltr">${formula(any.tex, false)}</span>${mark ?? nothing}</span>`;
    }
    return skipped ? growing(decoded(any.text.slice(skipped))) : inline(token, depth + 1);
  });
}

function inline(token: Token, depth: number): Piece {
  const any = token as Tokens.Generic;
  if (depth > MAX_DEPTH) return token.raw;
  switch (token.type) {
    case "text":
    case "escape":
      return any.tokens ? inlines(any.tokens, depth) : growing(decoded(any.text));
    case "strong":
      return html`<strong>${inlines(any.tokens, depth)}</strong>`;
    case "em":
      return html`<em>${inlines(any.tokens, depth)}</em>`;
    case "del":
      return html`<del>${inlines(any.tokens, depth)}</del>`;
    case "codespan":
      return html`<code dir="ltr">${growing(any.text)}</code>`;
    case "br":
      return html`<br />`;
    case "maths":
      return html`<span class="display" dir="ltr">${formula(any.tex, true)}</span>`;
    case "link":
      // `www.shop.example` alone: marked guesses http.
      return link(/^www\./i.test(any.raw) ? `https://${any.raw as string}` : any.href, inlines(any.tokens, depth), any.raw);
    case "image":
      return image(any.text);
    default:
      return growing(token.raw);
  }
}

/** An address that may not be followed is shown as it was written. */
export function link(address: unknown, inside: Piece, raw: string): Piece {
  const url = safeUrl(address);
  return url ? html`<a href=${url} target="_blank" rel=${REL}>${inside}</a>` : growing(raw);
}

/** Pictures are never fetched: an address can carry away what was said. */
function image(alternative: unknown): Piece {
  return html`<span class="picture">${growing(decoded(String(alternative || "…")))}</span>`;
}
