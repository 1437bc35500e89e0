// What the rest knows of Markdown: how to read it once the lexer is there, which links may be followed.

import type { Token, Tokens } from "marked";

let lexer: typeof import("./lexer") | null = null;
let coming: Promise<void> | null = null;

/** Loads the lexer. Until then, and where the network fails, texts are shown as they were written. */
export function reading(): Promise<void> {
  coming ??= import("./lexer").then(
    (chunk) => {
      lexer = chunk;
    },
    () => {
      coming = null;
    },
  );
  return coming;
}

/** Whether texts are read by now. */
export const canRead = (): boolean => lexer !== null;

export const lex = (text: string): Token[] | null => lexer?.lex(text) ?? null;

const NAMED: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };

/** Marked leaves references for a browser to read; here no HTML parser follows. */
export function decoded(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos|nbsp);/g, (_, name: string) => NAMED[name]);
}

/** The address of a link that may be followed: https, mailto or tel; http only to the page's own origin. */
export function safeUrl(address: unknown): string | null {
  const text = String(address ?? "").trim();
  if (!/^(?:https?:\/\/|mailto:|tel:)[^\s]+$/i.test(text) || text.length > 2_000) return null;
  try {
    const url = new URL(decoded(text));
    if (url.protocol === "http:") return url.origin === location.origin ? url.href : null;
    return ["https:", "mailto:", "tel:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** What a screen reader is told once: the words without the signs. */
export function plain(text: string): string {
  const tokens = lex(text);
  return tokens ? words(tokens).replace(/\s+/g, " ").trim() : text;
}

function words(tokens: Token[], depth = 0): string {
  if (depth > 20) return "";
  return tokens
    .map((token) => {
      const any = token as Tokens.Generic;
      if (any.type === "maths") return ` ${any.tex as string} `;
      if (any.type === "table") {
        const table = token as Tokens.Table;
        return [table.header, ...table.rows].map((row) => row.map((cell) => cell.text).join(", ")).join(". ");
      }
      if (any.type === "list") return (token as Tokens.List).items.map((item) => words(item.tokens, depth + 1)).join(". ");
      if (any.tokens) return words(any.tokens, depth + 1) + (any.type === "paragraph" || any.type === "heading" ? " " : "");
      return any.type === "space" || any.type === "hr" || any.type === "br" ? " " : decoded(String(any.text ?? any.raw));
    })
    .join("");
}
