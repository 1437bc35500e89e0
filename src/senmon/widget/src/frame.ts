// The page for iframes talks with the page around it: exactly its origin, both ways.

import type { SenmonChat } from "./element";

const TOLD = ["ready", "message", "answer", "handover", "error"];

export function frame(chat: SenmonChat): void {
  const around = parentOrigin();
  if (window.parent === window || !around) return;
  addEventListener("message", ({ source, origin, data }) => {
    // frame-ancestors lets only the site's own pages be around this one; the message must come from there.
    if (source !== window.parent || origin !== around || typeof data !== "object" || !data) return;
    if (data.type === "senmon:identify" && typeof data.token === "string") void chat.identify(data.token);
    if (data.type === "senmon:reset") void chat.reset();
  });
  for (const name of TOLD) {
    chat.addEventListener(`senmon:${name}`, (event) => {
      window.parent.postMessage({ type: `senmon:${name}`, detail: { ...(event as CustomEvent).detail } }, around);
    });
  }
}

function parentOrigin(): string | null {
  const ancestor = location.ancestorOrigins?.[0];
  if (ancestor) return ancestor === "null" ? null : ancestor;
  try {
    return new URL(document.referrer).origin;
  } catch {
    return null;
  }
}
