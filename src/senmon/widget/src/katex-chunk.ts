// Loaded when the first formula appears: KaTeX, its style sheet and its fonts, all from the server of the widget.

import katex from "katex";
import sheetText from "katex/dist/katex.min.css";
import ams from "katex/dist/fonts/KaTeX_AMS-Regular.woff2?url";
import caligraphic from "katex/dist/fonts/KaTeX_Caligraphic-Regular.woff2?url";
import fraktur from "katex/dist/fonts/KaTeX_Fraktur-Regular.woff2?url";
import mainBold from "katex/dist/fonts/KaTeX_Main-Bold.woff2?url";
import mainItalic from "katex/dist/fonts/KaTeX_Main-Italic.woff2?url";
import main from "katex/dist/fonts/KaTeX_Main-Regular.woff2?url";
import mathBold from "katex/dist/fonts/KaTeX_Math-BoldItalic.woff2?url";
import math from "katex/dist/fonts/KaTeX_Math-Italic.woff2?url";
import sans from "katex/dist/fonts/KaTeX_SansSerif-Regular.woff2?url";
import script from "katex/dist/fonts/KaTeX_Script-Regular.woff2?url";
import size1 from "katex/dist/fonts/KaTeX_Size1-Regular.woff2?url";
import size2 from "katex/dist/fonts/KaTeX_Size2-Regular.woff2?url";
import size3 from "katex/dist/fonts/KaTeX_Size3-Regular.woff2?url";
import size4 from "katex/dist/fonts/KaTeX_Size4-Regular.woff2?url";
import typewriter from "katex/dist/fonts/KaTeX_Typewriter-Regular.woff2?url";

type Face = [address: string, family: string, weight?: string, style?: string];

/** Which class of a drawn formula needs which font. */
const FACES: [selector: string, face: Face][] = [
  [".katex", [main, "KaTeX_Main"]],
  [".mathnormal", [math, "KaTeX_Math", "normal", "italic"]],
  [".mathbf,.textbf", [mainBold, "KaTeX_Main", "bold"]],
  [".mathit,.textit", [mainItalic, "KaTeX_Main", "normal", "italic"]],
  [".boldsymbol", [mathBold, "KaTeX_Math", "bold", "italic"]],
  [".amsrm,.mathbb,.textbb", [ams, "KaTeX_AMS"]],
  [".mathcal", [caligraphic, "KaTeX_Caligraphic"]],
  [".mathfrak,.textfrak", [fraktur, "KaTeX_Fraktur"]],
  [".mathscr,.textscr", [script, "KaTeX_Script"]],
  [".mathsf,.textsf", [sans, "KaTeX_SansSerif"]],
  [".mathtt,.texttt", [typewriter, "KaTeX_Typewriter"]],
  [".delimsizing.size1,.delim-size1,.small-op", [size1, "KaTeX_Size1"]],
  [".delimsizing.size2,.large-op", [size2, "KaTeX_Size2"]],
  [".delimsizing.size3", [size3, "KaTeX_Size3"]],
  [".delimsizing.size4,.delim-size4", [size4, "KaTeX_Size4"]],
];

const sheet = new CSSStyleSheet();
sheet.replaceSync(sheetText);
const asked = new Set<string>();
const MAX_NODES = 4_000;

/** Draws into `node`; what KaTeX does not take is shown as it was written. */
export function draw(tex: string, display: boolean, node: HTMLElement): void {
  try {
    katex.render(tex, node, {
      displayMode: display,
      throwOnError: true,
      trust: false,
      strict: "ignore",
      maxExpand: 200,
      maxSize: 20,
      output: "htmlAndMathml",
    });
    if (node.querySelectorAll("*").length > MAX_NODES) throw new Error("too large");
  } catch {
    node.textContent = tex;
    node.classList.add("tex");
    return;
  }
  node.classList.remove("tex");
  dress(node);
  for (const [selector, face] of FACES) if (node.querySelector(selector)) void load(face);
}

/** The style sheet of KaTeX, in the shadow root that the formula is in: now, or once it is in one. */
function dress(node: HTMLElement, tries = 3): void {
  const root = node.getRootNode();
  if (root instanceof ShadowRoot) {
    if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  } else if (tries) {
    requestAnimationFrame(() => dress(node, tries - 1));
  }
}

/** A font from its bytes: `@font-face` does not work in a shadow root, and no page's `font-src` is asked. */
async function load([address, family, weight = "normal", style = "normal"]: Face): Promise<void> {
  if (asked.has(address)) return;
  asked.add(address);
  try {
    const response = await fetch(new URL(address, import.meta.url), { credentials: "omit" });
    if (!response.ok) throw new Error(String(response.status));
    const face = new FontFace(family, await response.arrayBuffer(), { weight, style });
    document.fonts.add(await face.load());
  } catch {
    asked.delete(address);
  }
}
