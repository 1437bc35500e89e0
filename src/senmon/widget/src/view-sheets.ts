// What takes the place of the conversation for a while: an article, the request for a person, the rating.

import { html, nothing, type TemplateResult } from "lit";
import type { SenmonChat } from "./element";
import { icons } from "./icons";
import { markdown } from "./markdown";

type Piece = TemplateResult | typeof nothing;

function sheet(ui: SenmonChat, name: string, inside: Piece): Piece {
  return html`<div class="sheet ${name}" part="sheet">
    <button class="return text" type="button" @click=${() => ui.to("chat")}>${icons.back}${ui.t("back")}</button>${inside}</div>`;
}

export function articleSheet(ui: SenmonChat): Piece {
  const { content, failed } = ui.article!;
  if (failed) return sheet(ui, "article", html`<p role="alert">${ui.t("articleMissing")}</p>`);
  if (!content) return sheet(ui, "article", html`<p role="status">${ui.t("loading")}</p>`);
  const url = ui.website(content.url);
  return sheet(
    ui,
    "article",
    html`<article class="prose" tabindex="0" aria-label=${content.title}><h3 dir="auto">${content.title}</h3><div dir="auto">${markdown(content.markdown)}</div>
      ${url ? html`<p><a href=${url} target="_blank" rel="noopener noreferrer">${ui.t("website")}</a></p>` : nothing}</article>`,
  );
}

export function personSheet(ui: SenmonChat): Piece {
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const note = String(new FormData(event.target as HTMLFormElement).get("note") ?? "").trim();
    if (await ui.chat.requestPerson(note)) ui.to("chat");
    else ui.requestUpdate();
  };
  return sheet(
    ui,
    "person",
    html`<form @submit=${submit}><h3>${ui.t("requestPerson")}</h3>
      <label class="field">${ui.t("personNote")}<textarea name="note" rows="3" maxlength="500" dir="auto"></textarea></label>
      ${fault(ui)}<button class="primary" type="submit">${ui.t("personAsk")}</button></form>`,
  );
}

export function rateSheet(ui: SenmonChat): Piece {
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const given = new FormData(event.target as HTMLFormElement);
    const score = Number(given.get("score"));
    if (!score) return;
    if (await ui.chat.score(score, String(given.get("comment") ?? "").trim())) {
      ui.done = ui.t("rateThanks");
      ui.announce(ui.done);
      ui.to("chat");
    } else ui.requestUpdate();
  };
  return sheet(
    ui,
    "rate",
    html`<form @submit=${submit}><fieldset class="scores"><legend>${ui.t("rateQuestion")}</legend><div class="score-row">
      ${[1, 2, 3, 4, 5].map(
        (n) => html`<label><input class="hidden" type="radio" name="score" value=${n} required aria-label=${ui.t("rateScore", { n })} />
          <span aria-hidden="true">${n}</span></label>`,
      )}</div><div class="ends" aria-hidden="true"><span>${ui.t("rateWorst")}</span><span>${ui.t("rateBest")}</span></div></fieldset>
      <label class="field">${ui.t("rateComment")}<textarea name="comment" rows="2" maxlength="1000" dir="auto"></textarea></label>
      ${fault(ui)}<div class="buttons"><button class="primary" type="submit">${ui.t("send")}</button>
      <button class="text" type="button" @click=${() => ui.to("chat")}>${ui.t("skip")}</button></div></form>`,
  );
}

function fault(ui: SenmonChat): Piece {
  return ui.chat.notice ? html`<p class="notice" role="alert">${ui.t("failed")}</p>` : nothing;
}
