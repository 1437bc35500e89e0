// Drawings of the buttons, as nodes: no font and no picture to load.

import { html, svg, type SVGTemplateResult, type TemplateResult } from "lit";

const draw = (inside: SVGTemplateResult): TemplateResult =>
  html`<svg viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="2"
    stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">${inside}</svg>`;

export const icons = {
  chat: draw(svg`<path d="M21 11.5a8.5 8.5 0 0 1-12.6 7.4L3 20.5l1.7-5A8.5 8.5 0 1 1 21 11.5Z"/>`),
  close: draw(svg`<path d="M6 6l12 12M18 6 6 18"/>`),
  more: draw(svg`<path d="M5 12h.01M12 12h.01M19 12h.01" stroke-width="3"/>`),
  send: draw(svg`<path d="M12 19V5M6 11l6-6 6 6"/>`),
  stop: draw(svg`<rect x="7" y="7" width="10" height="10" rx="1.5" fill="currentColor"/>`),
  back: draw(svg`<path d="M15 5l-7 7 7 7"/>`),
  up: draw(svg`<path d="M7 11v9H4v-9h3Zm0 0 4-7a2.2 2.2 0 0 1 2.2 2.6L12.7 10H18a2 2 0 0 1 2 2.3l-1 6A2 2 0 0 1 17 20H7"/>`),
  down: draw(svg`<path d="M17 13V4h3v9h-3Zm0 0-4 7a2.2 2.2 0 0 1-2.2-2.6l.5-3.4H6a2 2 0 0 1-2-2.3l1-6A2 2 0 0 1 7 4h10"/>`),
  copy: draw(svg`<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M5 15H4V6a2 2 0 0 1 2-2h9v1"/>`),
  again: draw(svg`<path d="M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6"/>`),
  edit: draw(svg`<path d="M4 20l1-4L16 5l3 3L8 19l-4 1Z"/>`),
  article: draw(svg`<path d="M6 3h9l4 4v14H6zM14 3v5h5M9 13h6M9 17h6"/>`),
  person: draw(svg`<circle cx="12" cy="8" r="4"/><path d="M4.5 20.5a7.5 7.5 0 0 1 15 0"/>`),
  download: draw(svg`<path d="M12 4v11M7 11l5 5 5-5M5 20h14"/>`),
  plus: draw(svg`<path d="M12 5v14M5 12h14"/>`),
  star: draw(svg`<path d="m12 3 2.8 5.9 6.2.8-4.5 4.4 1.1 6.3-5.6-3-5.6 3 1.1-6.3L3 9.7l6.2-.8Z"/>`),
  check: draw(svg`<path d="m5 13 4.5 4.5L19 7"/>`),
  cross: draw(svg`<path d="M7 7l10 10M17 7 7 17"/>`),
  arrow: draw(svg`<path d="M12 5v14M6 13l6 6 6-6"/>`),
};
