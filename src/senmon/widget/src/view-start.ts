// Before the conversation: consent, the form, and what is shown when there is no way in.

import { html, nothing, type TemplateResult } from "lit";
import type { SenmonChat } from "./element";
import { safeUrl } from "./reader";
import type { Field, Schema } from "./types";

type Piece = TemplateResult | typeof nothing;

export function consent(ui: SenmonChat): Piece {
  return html`<div class="start"><p>${ui.t("consent", { name: new URL(ui.chat.api.base).host })}</p>
    <button class="primary" type="button" @click=${() => ui.agree()}>${ui.t("startChat")}</button></div>`;
}

export function failed(ui: SenmonChat): Piece {
  const identity = ui.chat.failure?.code === "identity_required";
  const contact = ui.chat.api.visit?.site?.contact;
  const ways = [
    contact?.email ? safeUrl(`mailto:${contact.email}`) : null,
    contact?.phone ? safeUrl(`tel:${contact.phone.replace(/\s/g, "")}`) : null,
  ];
  const shown = [contact?.email, contact?.phone];
  return html`<div class="start" role="alert"><p>${ui.t(identity ? "identity" : "startFailed")}</p>
    ${ways.some(Boolean)
      ? html`<p>${ui.t("contact")} ${ways.map((way, index) => (way ? html`<a href=${way} rel="noopener noreferrer">${shown[index]}</a> ` : nothing))}</p>`
      : nothing}
    <button class="primary" type="button" @click=${() => void ui.chat.start()}>${ui.t("tryAgain")}</button></div>`;
}

// The form, from the part of JSON Schema that needs no code to understand

const MAX_FIELDS = 20;
const PLAIN = /^[A-Za-z]\w{0,63}$/;

type Give = (answers: Record<string, unknown>) => Promise<boolean>;

export function prechat(ui: SenmonChat): Piece {
  return form(ui, ui.chat.api.visit?.site?.prechat ?? {}, ui.t("startChat"), (answers) => ui.chat.submit(answers));
}

/** A class code from the teacher, and a nickname. */
export function pupil(ui: SenmonChat): Piece {
  const schema: Schema = {
    title: ui.t("classTitle"),
    properties: {
      code: { type: "string", title: ui.t("classCode"), maxLength: 40 },
      nickname: { type: "string", title: ui.t("nickname"), description: ui.t("nicknameHint"), maxLength: 24 },
    },
    required: ["code", "nickname"],
  };
  return form(ui, schema, ui.t("signIn"), async ({ code, nickname }) => {
    const wrong = await ui.chat.signIn({ code: String(code).trim(), nickname: String(nickname).trim() });
    if (wrong) ui.chat.problems.set(wrong, wrong === "code" ? ui.t("classRefused") : ui.t("fieldWrong"));
    return wrong === null;
  });
}

function form(ui: SenmonChat, schema: Schema, act: string, give: Give): Piece {
  const fields = Object.entries(schema.properties ?? {}).filter(([name]) => PLAIN.test(name)).slice(0, MAX_FIELDS);
  const submit = (event: Event): void => {
    event.preventDefault();
    void send(ui, event.target as HTMLFormElement, schema, fields, give);
  };
  return html`<form class="prechat" part="form" novalidate @submit=${submit}>
    <h3>${schema.title || ui.t("formIntro")}</h3>${schema.description ? html`<p>${schema.description}</p>` : nothing}
    ${fields.map(([name, field]) => row(ui, name, field, schema.required?.includes(name) ?? false))}
    <p class="notice" role="alert" ?hidden=${!ui.chat.notice}>${ui.chat.notice ? trouble(ui) : nothing}</p>
    <button class="primary" type="submit">${act}</button></form>`;
}

function trouble(ui: SenmonChat): string {
  const told = ui.chat.notice!;
  return told.detail || (told.kind === "slow" ? ui.t("slow", { n: told.wait ?? 5 }) : ui.t(told.kind));
}

function row(ui: SenmonChat, name: string, field: Field, required: boolean): Piece {
  const problem = ui.chat.problems.get(name);
  const wrong = problem === undefined ? undefined : problem || ui.t("fieldWrong");
  const words = html`<span>${field.title || name}${required ? html` <em>(${ui.t("required")})</em>` : nothing}</span>`;
  const more = html`${field.description ? html`<small id="about-${name}">${field.description}</small>` : nothing}
    ${wrong ? html`<small class="wrong" id="wrong-${name}">${wrong}</small>` : nothing}`;
  if (field.type === "boolean") return html`<div class="field"><label class="choice">${input(name, field, required, wrong)}${words}</label>${more}</div>`;
  return html`<div class="field"><label>${words}${input(name, field, required, wrong, ui.t("choose"))}</label>${more}</div>`;
}

const KINDS: Record<string, string> = { email: "email", "idn-email": "email", date: "date", uri: "url", phone: "tel", tel: "tel" };
const FILLS: Record<string, string> = { email: "email", name: "name", phone: "tel", tel: "tel" };

function input(name: string, field: Field, required: boolean, wrong?: string, choose = ""): Piece {
  const about = [field.description ? `about-${name}` : "", wrong ? `wrong-${name}` : ""].join(" ").trim() || nothing;
  const invalid = wrong ? "true" : "false";
  const fill = FILLS[name.toLowerCase()] ?? FILLS[field.format ?? ""] ?? "off";
  if (Array.isArray(field.enum)) {
    const options = field.enum.slice(0, 100).filter((one) => typeof one === "string" || typeof one === "number");
    return html`<select name=${name} ?required=${required} aria-invalid=${invalid} aria-describedby=${about}>
      <option value="">${choose}</option>
      ${options.map((one) => html`<option value=${String(one)} ?selected=${one === field.default}>${String(one)}</option>`)}</select>`;
  }
  if (field.type === "boolean") {
    return html`<input type="checkbox" name=${name} ?required=${required} ?checked=${field.default === true} aria-invalid=${invalid} aria-describedby=${about} />`;
  }
  if (field.type === "integer" || field.type === "number") {
    return html`<input type="number" name=${name} ?required=${required} min=${field.minimum ?? nothing} max=${field.maximum ?? nothing}
      step=${field.type === "integer" ? "1" : "any"} aria-invalid=${invalid} aria-describedby=${about} />`;
  }
  if ((field.maxLength ?? 0) > 200) {
    return html`<textarea name=${name} rows="3" dir="auto" ?required=${required} maxlength=${field.maxLength!} aria-invalid=${invalid} aria-describedby=${about}></textarea>`;
  }
  return html`<input type=${KINDS[field.format ?? ""] ?? "text"} name=${name} dir="auto" autocomplete=${fill as "off"} ?required=${required}
    minlength=${field.minLength ?? nothing} maxlength=${field.maxLength ?? nothing} .defaultValue=${typeof field.default === "string" ? field.default : ""}
    aria-invalid=${invalid} aria-describedby=${about} />`;
}

async function send(ui: SenmonChat, form: HTMLFormElement, schema: Schema, fields: [string, Field][], give: Give): Promise<void> {
  const answers: Record<string, unknown> = {};
  ui.chat.problems.clear();
  for (const [name, field] of fields) {
    const control = form.elements.namedItem(name) as HTMLInputElement;
    const value = read(control, field);
    if (value !== undefined) answers[name] = value;
    const missing = value === undefined || value === "";
    if ((missing || (field.type === "boolean" && value === false)) && schema.required?.includes(name)) ui.chat.problems.set(name, ui.t("fieldMissing"));
    else if (!control.checkValidity()) ui.chat.problems.set(name, ui.t("fieldWrong"));
  }
  if (!ui.chat.problems.size && (await give(answers))) {
    ui.focusBox();
    return;
  }
  ui.requestUpdate();
  await ui.updateComplete;
  const wrong = ui.renderRoot.querySelector<HTMLElement>(".prechat [aria-invalid=true]");
  wrong?.focus();
}

function read(control: HTMLInputElement, field: Field): unknown {
  if (field.type === "boolean") return control.checked;
  if (control.value === "") return undefined;
  if (field.type === "integer" || field.type === "number") return Number(control.value);
  return Array.isArray(field.enum) ? field.enum.find((one) => String(one) === control.value) : control.value;
}
