// Defines <senmon-chat>, and puts one into the page when the script tag asks for it (`data-site-key`).

import { SenmonChat } from "./element";
import { settle } from "./frame";

const ATTRIBUTES = ["site-key", "api", "lang", "theme", "mode", "pack", "heading", "consent", "customer", "sign-in", "open"];

if (!customElements.get("senmon-chat")) customElements.define("senmon-chat", SenmonChat);

function own(): HTMLScriptElement | undefined {
  const scripts = [...document.scripts];
  const asking = (script: HTMLScriptElement) => script.dataset.siteKey !== undefined;
  return (
    scripts.find((script) => script.src === import.meta.url && asking(script)) ??
    scripts.find((script) => /\/widget\/v1\/senmon-chat\.js/.test(script.src) && asking(script))
  );
}

function mount(): void {
  const script = own();
  if (!script || document.querySelector("senmon-chat")) return;
  const chat = document.createElement("senmon-chat") as SenmonChat;
  for (const name of ATTRIBUTES) {
    const value = script.getAttribute(`data-${name}`);
    if (value !== null) chat.setAttribute(name, value);
  }
  if (script.dataset.page !== undefined) settle(chat);
  document.body.append(chat);
}

if (document.body) mount();
else addEventListener("DOMContentLoaded", mount);
