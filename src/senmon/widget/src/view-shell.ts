// The button in the corner, the window, its head and its foot.

import { html, nothing, type TemplateResult } from "lit";
import { classMap } from "lit/directives/class-map.js";
import type { SenmonChat } from "./element";
import { icons } from "./icons";
import { formula, typed } from "./maths";
import { conversation } from "./view-log";
import { consent, failed, prechat, pupil } from "./view-start";
import { articleSheet, personSheet, rateSheet } from "./view-sheets";

type Piece = TemplateResult | typeof nothing;

export function shell(ui: SenmonChat): TemplateResult {
  const classes = { root: true, dark: ui.dark, page: ui.mode === "page" };
  return html`<div class=${classMap(classes)} dir=${ui.words.direction} lang=${ui.words.language}>
    ${ui.open ? pane(ui) : nothing}${ui.mode === "page" ? nothing : launcher(ui)}
    <div class="hidden" role="status" aria-live="polite">${ui.spoken}</div>
  </div>`;
}

function launcher(ui: SenmonChat): Piece {
  const { unread } = ui.chat;
  const label = unread ? ui.t("openUnread", { n: unread }) : ui.t(ui.open ? "close" : "open");
  return html`<button class="launcher" part="launcher" type="button" aria-expanded=${ui.open ? "true" : "false"}
    aria-label=${label} @click=${() => ui.toggle()}>
    ${ui.open ? icons.close : icons.chat}${unread ? html`<span class="badge" part="badge" aria-hidden="true">${unread > 99 ? "99+" : unread}</span>` : nothing}
  </button>`;
}

function pane(ui: SenmonChat): Piece {
  const title = ui.heading || ui.chat.api.visit?.site?.name || ui.only?.title || ui.t("title");
  return html`<section class="window" part="window" role=${ui.mode === "page" ? "region" : "dialog"} aria-label=${title}>
    ${head(ui, title)}<div class="panel">${inside(ui)}</div>
  </section>`;
}

function inside(ui: SenmonChat): Piece {
  const { phase } = ui.chat;
  if (ui.consent === "ask" && !ui.agreed && phase === "idle") return consent(ui);
  if (phase === "failed") return failed(ui);
  if (phase === "idle" || phase === "loading") return html`<p class="wait" role="status">${ui.t("loading")}</p>`;
  if (phase === "pupil") return pupil(ui);
  if (phase === "prechat") return prechat(ui);
  if (ui.panel === "article") return articleSheet(ui);
  if (ui.panel === "rate") return rateSheet(ui);
  if (ui.panel === "person") return personSheet(ui);
  return html`${conversation(ui)}${notice(ui)}${composer(ui)}`;
}

function head(ui: SenmonChat, title: string): Piece {
  const { handover } = ui.chat;
  const persona = ui.only?.persona;
  const under = handover.status === "joined" ? handover.agent || ui.t("person") : persona && persona !== "Assistant" ? persona : "";
  const letter = [...(under || title)][0] ?? "";
  return html`<header class="head" part="header">
    <span class="face" aria-hidden="true">${letter}</span>
    <div class="names"><h2 class="title">${title}</h2>${under ? html`<p class="under">${under}</p>` : nothing}</div>
    ${ui.chat.phase === "ready"
      ? html`<button class="icon more" type="button" aria-label=${ui.t("more")} aria-expanded=${ui.menu ? "true" : "false"}
          aria-controls="menu" @click=${() => ui.toggleMenu()}>${icons.more}</button>`
      : nothing}
    ${ui.mode === "page"
      ? nothing
      : html`<button class="icon close" type="button" aria-label=${ui.t("close")} @click=${() => ui.hide()}>${icons.close}</button>`}
    ${ui.menu ? menu(ui) : nothing}
  </header>`;
}

function menu(ui: SenmonChat): Piece {
  const { chat } = ui;
  const some = chat.messages.length > 0;
  const entry = (icon: TemplateResult, words: string, act: () => void): Piece =>
    html`<li><button type="button" @click=${act}>${icon}<span>${words}</span></button></li>`;
  const leave = (event: FocusEvent): void => {
    const list = event.currentTarget as Element;
    if (event.relatedTarget && !list.contains(event.relatedTarget as Node)) {
      ui.menu = false;
      ui.requestUpdate();
    }
  };
  return html`<ul class="menu" id="menu" part="menu" @focusout=${leave}>
    ${entry(icons.plus, ui.t("newConversation"), () => ui.newConversation())}
    ${chat.handover.status === "none" || chat.handover.status === "closed"
      ? entry(icons.person, ui.t("requestPerson"), () => ui.to("person"))
      : nothing}
    ${some && chat.conversation ? entry(icons.download, ui.t("download"), () => void ui.download()) : nothing}
    ${some && ui.mayRate
      ? entry(icons.star, ui.t("rate"), () => ui.to("rate"))
      : nothing}
    ${chat.api.pupil ? entry(icons.close, ui.t("signOut"), () => void ui.reset()) : nothing}
  </ul>`;
}

function notice(ui: SenmonChat): Piece {
  const { notice: told } = ui.chat;
  const words = !told
    ? ui.done
    : told.kind === "slow"
      ? ui.t("slow", { n: told.wait ?? 5 })
      : told.detail || ui.t(told.kind);
  // Always there: a live region that comes with its text is often not read.
  return html`<p class="notice" role="alert" ?hidden=${!words}>${words}</p>`;
}

function composer(ui: SenmonChat): Piece {
  const { chat } = ui;
  const type = (event: Event): void => {
    ui.draft = (event.target as HTMLTextAreaElement).value;
    ui.requestUpdate();
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    void ui.submit();
  };
  const over = ui.excess;
  return html`${handoverBar(ui)}<form class="composer" part="composer" @submit=${submit}>
    ${ui.editing ? editingBar(ui) : nothing}${ui.maths && ui.mathematical ? mathsBar(ui) : nothing}
    <div class="row">
      ${ui.mathematical
        ? html`<button class="icon sums" type="button" aria-pressed=${ui.maths ? "true" : "false"} aria-label=${ui.t("maths")}
            title=${ui.t("maths")} @click=${() => toggleMaths(ui)}><span aria-hidden="true" dir="ltr">√x</span></button>`
        : nothing}
      <textarea class="box" part="input" rows="1" dir="auto" .value=${ui.draft} aria-label=${ui.t("message")}
        placeholder=${ui.t("placeholder")} enterkeyhint="send" autocomplete="off" aria-invalid=${over > 0 ? "true" : "false"}
        @input=${type} @keydown=${ui.boxKeys}></textarea>
      ${chat.busy && chat.messages.some((one) => one.state === "streaming" || one.state === "waiting")
        ? html`<button class="icon send" part="stop" type="button" aria-label=${ui.t("stop")} title=${ui.t("stop")}
            @click=${() => void chat.stop()}>${icons.stop}</button>`
        : html`<button class="icon send" part="send" type="submit" aria-label=${ui.t("send")} title=${ui.t("send")}
            aria-disabled=${!ui.draft.trim() || chat.busy || over > 0 ? "true" : "false"}>${icons.send}</button>`}
    </div>
    ${over > 0 ? html`<p class="over" role="alert">${ui.t("tooLong", { n: over })}</p>` : nothing}
  </form>`;
}

function editingBar(ui: SenmonChat): Piece {
  const cancel = (): void => {
    ui.editing = null;
    ui.draft = "";
    ui.focusBox();
  };
  return html`<p class="bar">${ui.t("editing")} <button class="text" type="button" @click=${cancel}>${ui.t("cancel")}</button></p>`;
}

/** How it stands with a person; nothing when nobody was asked for. */
export function handoverWords(ui: SenmonChat): string {
  const { status, position, agent } = ui.chat.handover;
  if (status === "queued") return position ? ui.t("queuedAt", { n: position }) : ui.t("queued");
  if (status === "joined") return agent ? ui.t("joined", { name: agent }) : ui.t("joinedNobody");
  return status === "closed" ? ui.t("closed") : "";
}

function handoverBar(ui: SenmonChat): Piece {
  const { handover } = ui.chat;
  if (handover.status === "none") return nothing;
  const words = handoverWords(ui);
  // Told to a screen reader elsewhere, when it changes.
  return html`<div class="bar ${handover.status}"><span>${icons.person}${words}</span>
    ${handover.status === "queued"
      ? html`<button class="text" type="button" @click=${() => void ui.chat.withdraw()}>${ui.t("withdraw")}</button>`
      : nothing}
    ${handover.status === "closed" && ui.mayRate
      ? html`<button class="text" type="button" @click=${() => ui.to("rate")}>${ui.t("rate")}</button>`
      : nothing}
  </div>`;
}

// Maths

const KEYS: [shown: string, name: "fraction" | "root" | "squared" | "power" | "times" | "divided" | "brackets" | "pi" | "notEqual" | "lessEqual", typed: string, back: number][] = [
  ["a/b", "fraction", "/", 0],
  ["√", "root", "sqrt()", 1],
  ["x²", "squared", "^2", 0],
  ["xⁿ", "power", "^", 0],
  ["×", "times", "×", 0],
  ["÷", "divided", "÷", 0],
  ["( )", "brackets", "()", 1],
  ["π", "pi", "π", 0],
  ["≠", "notEqual", "≠", 0],
  ["≤", "lessEqual", "≤", 0],
];

function toggleMaths(ui: SenmonChat): void {
  ui.maths = !ui.maths;
  ui.focusBox();
}

function mathsBar(ui: SenmonChat): Piece {
  const press = (text: string, back: number): void => {
    const box = ui.renderRoot.querySelector<HTMLTextAreaElement>("textarea.box")!;
    box.setRangeText(text, box.selectionStart, box.selectionEnd, "end");
    const place = box.selectionEnd - back;
    box.setSelectionRange(place, place);
    ui.draft = box.value;
    ui.focusBox();
  };
  const tex = ui.draft.trim() ? typed(ui.draft.trim().slice(0, 400)) : "";
  return html`<div class="maths-bar">
    <div class="keys" role="group" aria-label=${ui.t("mathsKeys")}>
      ${KEYS.map(
        ([shown, name, text, back]) =>
          html`<button type="button" dir="ltr" aria-label=${ui.t(name)} title=${ui.t(name)} @click=${() => press(text, back)}>${shown}</button>`,
      )}
    </div>
    ${tex ? html`<div class="preview" role="group" aria-label=${ui.t("mathsPreview")} dir="ltr">${formula(tex, false)}</div>` : nothing}
  </div>`;
}
