// The page for iframes: its settings come in its address; it talks with the page around it, exactly its origin.

import type { SenmonChat } from "./element";

const SETTINGS = ["lang", "theme", "pack", "heading", "consent", "sign-in"];
const TOLD = ["ready", "message", "answer", "handover", "error"];

/** The whole page is the chat, as its address wants it. */
export function settle(chat: SenmonChat): void {
  const given = new URLSearchParams(location.search);
  document.body.style.margin = "0";
  chat.setAttribute("mode", "page");
  chat.setAttribute("site-key", given.get("site_key") ?? "");
  for (const name of SETTINGS) {
    const value = given.get(name);
    if (value) chat.setAttribute(name, value);
  }
}

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

/** The origin of the page around this one. */
export function parentOrigin(): string | null {
  const ancestor = location.ancestorOrigins?.[0];
  if (ancestor) return ancestor === "null" ? null : ancestor;
  try {
    return new URL(document.referrer).origin;
  } catch {
    return null;
  }
}
