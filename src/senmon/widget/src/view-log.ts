// The conversation: messages, what was done for them, where they come from, and what the visitor thinks of them.

import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { SenmonChat } from "./element";
import { icons } from "./icons";
import type { Key } from "./i18n";
import { markdown } from "./markdown";
import { busy } from "./messages";
import type { Message, Pack } from "./types";

type Piece = TemplateResult | typeof nothing;

export function conversation(ui: SenmonChat): Piece {
  const { messages } = ui.chat;
  // Quiet: whole answers are announced once, elsewhere.
  return html`<div class="log" part="log" role="log" aria-live="off" aria-label=${ui.t("log")} tabindex="0" @scroll=${ui.scrolled}>
    <div class="lines">${ui.chat.earlier ? earlier(ui) : greeting(ui)}${repeat(messages, (one) => one.key, (one) => entry(ui, one))}${suggestions(ui)}</div>
  </div>
  ${ui.behind && !ui.opinion ? html`<button class="to-end" type="button" @click=${() => ui.toEnd()}>${icons.arrow}${ui.t("newMessages")}</button>` : nothing}`;
}

/** The beginning of a long conversation is shown when it is asked for. */
function earlier(ui: SenmonChat): Piece {
  if (!ui.chat.canShowEarlier) return html`<p class="quiet">${ui.t("earlierHidden", { n: ui.chat.earlier })}</p>`;
  return html`<button class="text before" type="button" @click=${() => void ui.showEarlier()}>${ui.t("earlier")}</button>`;
}

function greeting(ui: SenmonChat): Piece {
  const words = ui.only?.greeting || ui.t("hello");
  return html`<article class="message assistant" part="message"><div class="bubble" part="bubble" dir="auto">${markdown(words)}</div></article>`;
}

function suggestions(ui: SenmonChat): Piece {
  if (ui.chat.messages.length) return nothing;
  const packs = ui.only ? [ui.only] : ui.chat.packs;
  const each = packs.length === 1 ? 4 : 2;
  const ideas = packs.flatMap((pack) => pack.suggestions.slice(0, each)).slice(0, 6);
  if (!ideas.length) return nothing;
  return html`<div class="chips" role="group" aria-label=${ui.t("suggestions")}>
    ${ideas.map((idea) => chip(idea, () => void ui.say(idea)))}
  </div>`;
}

const chip = (words: string, act: () => void): Piece =>
  html`<button class="chip" part="chip" type="button" dir="auto" @click=${act}>${words}</button>`;

function entry(ui: SenmonChat, one: Message): Piece {
  return one.role === "user" ? mine(ui, one) : theirs(ui, one);
}

function mine(ui: SenmonChat, one: Message): Piece {
  const last = ui.chat.last === one && !ui.chat.person;
  return html`<article class="message user ${one.state}" part="message message-user">
    <span class="hidden">${ui.t("you")}: </span>
    <div class="bubble" part="bubble bubble-user" dir="auto">${one.text}</div>
    ${one.state === "failed"
      ? html`<p class="fault">${ui.t("notSent")} <button class="text" type="button" @click=${() => ui.retry()}>${ui.t("sendAgain")}</button></p>`
      : nothing}
    ${last && one.runId && one.state === "done"
      ? html`<div class="acts"><button class="icon small" type="button" aria-label=${ui.t("edit")} title=${ui.t("edit")} @click=${() => ui.edit(one)}>${icons.edit}</button></div>`
      : nothing}
  </article>`;
}

function theirs(ui: SenmonChat, one: Message): Piece {
  const running = busy(one);
  return html`<article class="message ${one.role}" part="message message-${one.role}" aria-busy=${running ? "true" : "false"}>
    ${who(ui, one)}${one.steps.map((step, index) => stepOf(ui, step, running && index === one.steps.length - 1))}
    ${one.text
      ? html`<div class="bubble" part="bubble" dir="auto">${markdown(one.text)}</div>`
      : running
        ? html`<div class="bubble dots" part="bubble"><span class="hidden">${ui.t("thinking")}</span><i></i><i></i><i></i></div>`
        : nothing}
    ${one.progress ? ladder(ui, one.progress.step, one.progress.of) : nothing}
    ${running ? nothing : html`${sources(ui, one)}${endOf(ui, one)}${acts(ui, one)}${opinion(ui, one)}${chips(ui, one)}`}
  </article>`;
}

/** Which pack answers, and a way to say that it is the wrong one. */
function who(ui: SenmonChat, one: Message): Piece {
  if (one.role === "agent") return html`<p class="who">${one.author || ui.chat.handover.agent || ui.t("person")}</p>`;
  const pack = ui.packOf(one.pack);
  if (!pack || ui.only) return html`<span class="hidden">${pack?.persona ?? ui.t("assistant")}: </span>`;
  return html`<p class="who" part="pack"><span>${label(pack)}</span>
    ${!busy(one) && one.runId
      ? html`<button class="text" type="button" aria-expanded=${isOpen(ui, one, "topic") ? "true" : "false"}
          @click=${() => ui.express(isOpen(ui, one, "topic") ? null : { key: one.key, kind: "topic" })}>${ui.t("wrongTopic")}</button>`
      : nothing}</p>`;
}

const label = (pack: Pack): string =>
  !pack.persona || pack.persona === "Assistant" ? pack.title : `${pack.persona} · ${pack.title}`;

const isOpen = (ui: SenmonChat, one: Message, kind: string): boolean =>
  ui.opinion?.key === one.key && ui.opinion.kind === kind;

function stepOf(ui: SenmonChat, step: { label: string; status: string }, now: boolean): Piece {
  const ended: Partial<Record<string, Key>> = { finished: "stepDone", denied: "stepDenied", failed: "stepFailed" };
  const end = ended[step.status];
  return html`<p class="step ${step.status} ${now && !end ? "now" : ""}" part="step">
    ${step.status === "finished" ? icons.check : end ? icons.cross : html`<span class="spin" aria-hidden="true"></span>`}
    <span dir="auto">${step.label}${end ? "" : "…"}</span>${end ? html`<span class=${end === "stepDone" ? "hidden" : ""}>: ${ui.t(end)}</span>` : nothing}</p>`;
}

function ladder(ui: SenmonChat, step: number, of: number): Piece {
  const words = step ? ui.t("hint", { step, of }) : ui.t("hintStart", { of });
  return html`<div class="ladder" part="ladder"><span>${words}</span>
    <progress max=${of} .value=${Math.min(step, of)} aria-label=${words}></progress></div>`;
}

function sources(ui: SenmonChat, one: Message): Piece {
  if (!one.citations.length || !one.text || busy(one)) return nothing;
  return html`<div class="sources" part="sources"><span class="label">${ui.t("sources")}</span><ul>
    ${one.citations.map(
      ({ id, title }) =>
        html`<li><button type="button" aria-label=${ui.t("openSource", { title: title || id })} @click=${() => void ui.read(one.pack, id)}>
          ${icons.article}<span dir="auto">${title || id}</span></button></li>`,
    )}
  </ul></div>`;
}

function endOf(ui: SenmonChat, one: Message): Piece {
  if (one.state === "stopped") return html`<p class="quiet">${ui.t("stopped")}</p>`;
  if (one.note === "cut") return html`<p class="quiet">${ui.t("cut")}</p>`;
  if (one.state !== "failed") return nothing;
  if (one.code === "connection") {
    return html`<p class="fault">${ui.t("lost")} <button class="text" type="button" @click=${() => void ui.chat.listen(one)}>${ui.t("reconnect")}</button></p>`;
  }
  return html`<p class="fault">${ui.t("answerFailed")}</p>`;
}

function acts(ui: SenmonChat, one: Message): Piece {
  if (one.role === "agent" || !one.runId) return nothing;
  const last = ui.chat.last?.runId === one.runId && !ui.chat.person;
  const thumb = (rating: "up" | "down", icon: TemplateResult, words: string, act: () => void): Piece =>
    html`<button class="icon small" type="button" aria-label=${words} title=${words} aria-pressed=${one.rating === rating ? "true" : "false"} @click=${act}>${icon}</button>`;
  const up = async (): Promise<void> => {
    if (await ui.chat.rate(one, "up")) ui.express({ key: one.key, kind: "thanks" });
  };
  return html`<div class="acts" part="actions">
    ${one.text && one.state !== "failed"
      ? html`${thumb("up", icons.up, ui.t("helpful"), () => void up())}
          ${thumb("down", icons.down, ui.t("unhelpful"), () => ui.express({ key: one.key, kind: "reason" }))}
          <button class="icon small" type="button" aria-label=${ui.t("copy")} title=${ui.t("copy")} @click=${() => void ui.copy(one)}>${ui.copied === one.key ? icons.check : icons.copy}</button>`
      : nothing}
    ${last ? html`<button class="icon small" type="button" aria-label=${ui.t("retry")} title=${ui.t("retry")} @click=${() => ui.retry()}>${icons.again}</button>` : nothing}
  </div>`;
}

function chips(ui: SenmonChat, one: Message): Piece {
  if (!one.chips.length || ui.chat.messages.at(-1) !== one || ui.chat.busy) return nothing;
  return html`<div class="chips" role="group" aria-label=${ui.t("suggestions")}>
    ${one.chips.map(({ title, text }) => chip(title, () => void ui.say(text)))}
  </div>`;
}

function opinion(ui: SenmonChat, one: Message): Piece {
  if (ui.opinion?.key !== one.key) return nothing;
  if (ui.opinion.kind === "thanks") return html`<p class="quiet" role="status">${ui.t("thanks")}</p>`;
  return ui.opinion.kind === "topic" ? topicForm(ui, one) : reasonForm(ui, one);
}

/** The right topic: told to the operator, and asked there at once when it is the last question. */
function topicForm(ui: SenmonChat, one: Message): Piece {
  const choose = async (topic: string): Promise<void> => {
    if (!(await ui.chat.rate(one, "down", { reason: "wrong topic", topic }))) return;
    ui.express({ key: one.key, kind: "thanks" });
    const asked = ui.chat.last;
    if (topic !== "none" && asked && asked.runId === one.runId) await ui.say(asked.text, { pack: topic, replaces: one.runId });
  };
  const others = ui.chat.packs.filter((pack) => pack.name !== one.pack);
  return html`<fieldset class="opinion"><legend>${ui.t("topicQuestion")}</legend><div class="chips">
    ${others.map((pack) => chip(pack.title, () => void choose(pack.name)))}
    ${chip(ui.t("topicNone"), () => void choose("none"))}
    <button class="text" type="button" @click=${() => ui.express(null)}>${ui.t("cancel")}</button></div></fieldset>`;
}

const REASONS: Key[] = ["reasonWrong", "reasonUnclear", "reasonIncomplete", "reasonOther"];

function reasonForm(ui: SenmonChat, one: Message): Piece {
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const given = new FormData(event.target as HTMLFormElement);
    const reason = String(given.get("reason") ?? "");
    const correction = String(given.get("correction") ?? "").trim();
    if (await ui.chat.rate(one, "down", { reason, correction })) ui.express({ key: one.key, kind: "thanks" });
  };
  return html`<form class="opinion" @submit=${submit}><fieldset><legend>${ui.t("why")}</legend>
    ${REASONS.map(
      (key, index) => html`<label class="choice"><input type="radio" name="reason" value=${ui.t(key)} ?checked=${index === 0} />${ui.t(key)}</label>`,
    )}</fieldset>
    <label class="field">${ui.t("correction")}<textarea name="correction" rows="2" maxlength="4000" dir="auto"></textarea></label>
    <div class="buttons"><button class="primary" type="submit">${ui.t("sendFeedback")}</button>
    <button class="text" type="button" @click=${() => ui.express(null)}>${ui.t("cancel")}</button></div></form>`;
}
