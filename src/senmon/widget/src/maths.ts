// Formulas: KaTeX comes when the first one appears, and draws nodes, never HTML. Until then the source is shown.

import { noChange } from "lit";
import { directive, Directive, type ChildPart } from "lit/directive.js";

type Draw = typeof import("./katex-chunk").draw;

let draw: Draw | null = null;
let coming: Promise<void> | null = null;

function fetchKatex(): Promise<void> {
  coming ??= import("./katex-chunk").then(
    (chunk) => {
      draw = chunk.draw;
    },
    () => {
      // The network failed: the source stays, and the next formula tries again.
      coming = null;
    },
  );
  return coming;
}

class Formula extends Directive {
  private node: HTMLElement | null = null;
  private drawn = "";

  render(tex: string, _display: boolean): unknown {
    return tex;
  }

  override update(_part: ChildPart, [tex, display]: [string, boolean]): unknown {
    const first = !this.node;
    this.node ??= document.createElement("span");
    const wanted = `${display ? "D" : "I"}${tex}`;
    if (wanted !== this.drawn) {
      this.drawn = wanted;
      this.show(tex, display);
    }
    return first ? this.node : noChange;
  }

  private show(tex: string, display: boolean): void {
    const node = this.node!;
    if (draw) {
      draw(tex, display, node);
      return;
    }
    node.textContent = tex;
    const wanted = this.drawn;
    void fetchKatex().then(() => {
      if (draw && this.drawn === wanted) draw(tex, display, node);
    });
  }
}

/** A formula in a node of its own. */
export const formula = directive(Formula);

const WORDS = /^(?:sqrt|pi|alpha|beta|gamma|delta|theta|lambda|mu|sigma|omega|infty|sin|cos|tan|log|ln)$/;
const SIGNS: Record<string, string> = {
  "*": "\\cdot ", "·": "\\cdot ", "×": "\\times ", "÷": "\\div ", "−": "-", "–": "-", "≤": "\\le ", "≥": "\\ge ",
  "≠": "\\ne ", "±": "\\pm ", "π": "\\pi ", "°": "^\\circ ", "²": "^2", "³": "^3", "%": "\\%", "∞": "\\infty ",
};
const FRACTIONS: Record<string, [number, number]> = {
  "½": [1, 2], "⅓": [1, 3], "⅔": [2, 3], "¼": [1, 4], "¾": [3, 4], "⅕": [1, 5], "⅖": [2, 5], "⅗": [3, 5], "⅘": [4, 5],
};

/** Maths as a pupil types it, as LaTeX: `3x^2 + 1/2 = sqrt(9)`. What is LaTeX already stays as it is. */
export function typed(text: string): string {
  if (/\\[A-Za-z]/.test(text)) return text.replace(/^\s*(?:\$+|\\[([])|(?:\$+|\\[)\]])\s*$/g, "");
  return new Typed(text).sum();
}

/** Reads left to right: factors in a row, a fraction where `/` stands between two of them. */
class Typed {
  private readonly parts: string[];
  private place = 0;

  constructor(text: string) {
    this.parts = text.match(/[A-Za-z]+|\d+(?:[.,]\d+)*|<=|>=|!=|\s+|./gu)?.slice(0, 400) ?? [];
  }

  sum(until = "", depth = 0): string {
    let made = "";
    while (this.place < this.parts.length && this.parts[this.place] !== until) {
      let factor = this.factor(depth);
      while (this.peek() === "/" && factor) {
        this.skipTo("/");
        factor = `\\frac{${bare(factor)}}{${bare(this.factor(depth)) || "\\square"}}`;
      }
      made += factor;
    }
    return made;
  }

  private factor(depth: number): string {
    this.spaces();
    const part = this.parts[this.place++] ?? "";
    let made = this.one(part, depth);
    while (this.parts[this.place] === "^") {
      this.place += 1;
      const sign = this.parts[this.place] === "-" ? this.parts[this.place++] : "";
      made += `^{${sign}${bare(this.one(this.parts[this.place++] ?? "", depth)) || "\\square"}}`;
    }
    return made;
  }

  private one(part: string, depth: number): string {
    if (part === "(" && depth < 20) {
      const inside = this.sum(")", depth + 1);
      this.place += 1;
      return `\\left(${inside}\\right)`;
    }
    if ((part === "sqrt" || part === "√") && depth < 20) return `\\sqrt{${bare(this.factor(depth + 1)) || "\\square"}}`;
    if (FRACTIONS[part]) return `\\frac{${FRACTIONS[part][0]}}{${FRACTIONS[part][1]}}`;
    if (part === "<=") return "\\le ";
    if (part === ">=") return "\\ge ";
    if (part === "!=") return "\\ne ";
    if (WORDS.test(part)) return `\\${part} `;
    if (/^[A-Za-z]{3,}$/.test(part)) return `\\text{ ${part} }`;
    if (/^[\\{}$&#_~^"]$/.test(part)) return "";
    return Object.hasOwn(SIGNS, part) ? SIGNS[part] : part;
  }

  private spaces(): void {
    while (/^\s+$/.test(this.parts[this.place] ?? "")) this.place += 1;
  }

  private peek(): string {
    let ahead = this.place;
    while (/^\s+$/.test(this.parts[ahead] ?? "")) ahead += 1;
    return this.parts[ahead] ?? "";
  }

  private skipTo(part: string): void {
    while (this.parts[this.place] !== part) this.place += 1;
    this.place += 1;
  }
}

/** Without the brackets that a fraction or a root makes needless. */
function bare(tex: string): string {
  const inside = /^\\left\(([\s\S]*)\\right\)$/.exec(tex)?.[1];
  return inside !== undefined && !inside.includes("\\right)") ? inside : tex;
}
