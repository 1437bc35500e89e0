// <senmon-chat>: attributes, methods, focus, scrolling and announcements. What it looks like is in the views.

import { css, LitElement, unsafeCSS, type TemplateResult } from "lit";
import { Api, type CustomerSource } from "./api";
import { Chat } from "./chat";
import { frame, parentOrigin } from "./frame";
import { bring, Translator, type Words } from "./i18n";
import { reading, safeUrl } from "./reader";
import { Shelf } from "./shelf";
import styles from "./styles.css";
import { Tabs } from "./tabs";
import type { Article, Message, Pack } from "./types";
import { handoverWords, shell } from "./view-shell";

/** `https://bot.example/` when this file is `https://bot.example/widget/v1/senmon-chat.js`. */
const HOME = new URL(import.meta.url).href.replace(/(?:static\/)?widget\/v1\/[^/]*$/, "");

/** What is shown instead of the conversation. */
export type Panel = "chat" | "article" | "rate" | "person";

/** The form under an answer. */
export interface Opinion {
  key: string;
  kind: "reason" | "topic" | "thanks";
}

const TYPED_EVENTS = [
  "keydown", "keyup", "keypress", "beforeinput", "input", "change", "paste", "copy", "cut",
  "compositionstart", "compositionupdate", "compositionend",
];

/** Where the focus goes: the first that is there. */
const PLACES: Record<string, string[]> = {
  box: ["textarea.box", ".prechat :is(input, select, textarea)", ".panel .primary", ".close"],
  launcher: [".launcher"],
  menu: [".menu button"],
  more: [".more"],
  panel: [".sheet .return"],
  opinion: [".opinion :is(input, button, textarea)"],
};

export class SenmonChat extends LitElement {
  static override styles = css`${unsafeCSS(styles)}`;
  static override properties = {
    siteKey: { attribute: "site-key" },
    api: {},
    lang: {},
    theme: { reflect: true },
    mode: { reflect: true },
    pack: {},
    heading: {},
    consent: {},
    customer: {},
    signIn: { attribute: "sign-in" },
    open: { type: Boolean, reflect: true },
  };

  siteKey = "";
  api = "";
  override lang = "";
  theme = "auto";
  /** "bubble": a button in the corner; "page": the whole of its place. */
  mode = "bubble";
  pack = "";
  heading = "";
  /** "ask": nothing is stored or sent before the visitor agrees. */
  consent = "";
  /** A token of the customer whom the page signed in; see `identify` for one that is renewed. */
  customer = "";
  /** "class": pupils sign in with a class code and a nickname. */
  signIn = "";
  open = false;

  // What the views show
  chat!: Chat;
  words = new Translator();
  panel: Panel = "chat";
  menu = false;
  draft = "";
  editing: Message | null = null;
  maths = false;
  opinion: Opinion | null = null;
  copied = "";
  article: { citation: string; content: Article | null; failed: boolean } | null = null;
  agreed = false;
  behind = false;
  spoken = "";
  done = "";
  dark = false;

  private stick = true;
  private lastTop = 0;
  private lastLog: Element | null = null;
  private returnTo: HTMLElement | null = null;
  /** Formulas and fonts come later than the text: the end moves without an update of ours. */
  private readonly growth = new ResizeObserver(() => {
    const log = this.find(".log");
    if (log) this.keepEnd(log);
  });
  private awaited = false;
  private measured = "";
  private silence = 0;
  private focusNext = "";
  private readonly scheme = matchMedia("(prefers-color-scheme: dark)");
  private readonly recolour = () => this.requestUpdate();

  // Life

  override connectedCallback(): void {
    super.connectedCallback();
    this.scheme.addEventListener("change", this.recolour);
    document.addEventListener("visibilitychange", this.recolour);
    if (!this.chat && this.mode === "page") frame(this);
    this.connect();
    void this.speak();
    if (this.mode === "page") this.open = true;
    if (this.open || (this.chat.conversation && this.consent !== "ask")) void this.begin();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.scheme.removeEventListener("change", this.recolour);
    document.removeEventListener("visibilitychange", this.recolour);
    this.chat.end();
    this.growth.disconnect();
    this.lastLog = null;
  }

  private connect(): void {
    const base = this.api ? `${this.api.replace(/\/+$/, "")}/` : HOME;
    // A page that asks one pack only has conversations of its own.
    const name = `${base}${this.siteKey}${this.pack && `#${this.pack}`}`;
    const shelf = new Shelf(name);
    const tabs = new Tabs(name, (news) => this.chat.hear(news));
    this.chat = new Chat(
      new Api(base, this.siteKey, shelf, tabs),
      shelf,
      tabs,
      {
        changed: () => this.soon(),
        announce: (text) => this.announce(text),
        emit: (event, detail) => this.emit(event, detail),
        byClassCode: () => this.signIn === "class",
        english: () => this.words.language === "en",
        visible: () => this.open && this.panel === "chat" && document.visibilityState === "visible",
      },
      () => this.packOf(this.pack)?.name ?? null,
    );
    if (this.customer) this.chat.api.identify(this.customer);
  }

  /** However many events a moment brings, they are drawn once. */
  private soon(): void {
    if (this.awaited) return;
    this.awaited = true;
    const draw = (): void => {
      this.awaited = false;
      this.requestUpdate();
    };
    if (document.visibilityState === "visible") requestAnimationFrame(draw);
    else setTimeout(draw, 100);
  }

  private async begin(): Promise<void> {
    if (this.consent === "ask" && !this.agreed && !this.chat.conversation) return;
    await Promise.all([this.chat.start(), reading()]);
    const language = this.chat.api.visit?.site?.language;
    if (!this.lang && language) await this.speak(language);
    this.focusBox();
  }

  private async speak(language?: string): Promise<void> {
    await this.words.use([this.lang || language, document.documentElement.lang, ...navigator.languages]);
    this.requestUpdate();
  }

  override attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    super.attributeChangedCallback(name, before, now);
    if (name === "lang" && this.isConnected && before !== now) void this.speak();
  }

  private emit(name: string, detail: Record<string, unknown> = {}): void {
    const words = name === "handover" && this.open ? handoverWords(this) : "";
    if (words) this.announce(words);
    this.dispatchEvent(new CustomEvent(`senmon:${name}`, { detail, bubbles: true, composed: true }));
  }

  // Methods for the page

  show(): void {
    if (this.open) return;
    this.returnTo = document.activeElement as HTMLElement | null;
    this.open = true;
    this.stick = true;
    this.focusNext = "box";
    this.chat.read();
    void this.begin();
    this.emit("open");
  }

  hide(): void {
    if (!this.open || this.mode === "page") return;
    this.open = false;
    this.menu = false;
    this.focusNext = "launcher";
    this.emit("close");
  }

  toggle(): void {
    if (this.open) this.hide();
    else this.show();
  }

  /** Says `text` as the visitor. */
  async send(text: string): Promise<void> {
    this.show();
    await this.begin();
    if (this.chat.phase === "ready") await this.say(text);
    else this.draft = text;
  }

  /** The customer whom the page signed in: a token, or a function that gets one whenever it is needed. */
  async identify(customer: CustomerSource): Promise<void> {
    await this.chat.become(customer, false);
    this.requestUpdate();
  }

  /** After signing out: the next visitor of this browser sees nothing of this one. */
  async reset(): Promise<void> {
    this.draft = "";
    this.panel = "chat";
    await this.chat.become(null, true);
    this.requestUpdate();
  }

  newConversation(): void {
    this.chat.newConversation();
    this.to("chat");
  }

  /** Words of a language of your own, or other words for one that is there. */
  static words(language: string, words: Partial<Words>): void {
    bring(language, words);
    for (const each of document.querySelectorAll("senmon-chat")) void (each as SenmonChat).speak();
  }

  // What the views call

  readonly t = this.words.t;

  async say(text: string, options: { pack?: string; replaces?: string | null } = {}): Promise<void> {
    this.stick = true;
    this.opinion = null;
    this.done = "";
    this.requestUpdate();
    await this.chat.send(text, options);
  }

  async submit(): Promise<void> {
    const text = this.draft.trim();
    if (!text || this.chat.busy || this.excess > 0) return;
    const replaces = this.editing?.runId ?? null;
    this.draft = "";
    this.editing = null;
    this.focusBox();
    await this.say(text, { replaces });
  }

  /** Characters too many, as the server counts them. */
  get excess(): number {
    const most = this.chat.api.visit?.max_message_chars ?? 4_000;
    const units = this.draft.length;
    // Far too long: no need to count pairs in what may be megabytes.
    return (units <= most || units > 4 * most ? units : [...this.draft].length) - most;
  }

  retry(): void {
    const last = this.chat.last;
    if (last?.runId) void this.say(last.text, { replaces: last.runId });
    else if (last) void this.chat.send(last.text, { again: last });
  }

  edit(mine: Message): void {
    this.editing = mine;
    this.draft = mine.text;
    this.focusBox();
  }

  agree(): void {
    this.agreed = true;
    void this.begin();
  }

  to(panel: Panel): void {
    this.menu = false;
    this.panel = panel;
    this.focusNext = panel === "chat" ? "box" : "panel";
    this.requestUpdate();
  }

  toggleMenu(): void {
    this.menu = !this.menu;
    this.focusNext = this.menu ? "menu" : "more";
    this.requestUpdate();
  }

  async read(pack: string | null, citation: string): Promise<void> {
    this.article = { citation, content: null, failed: false };
    this.to("article");
    try {
      this.article = { citation, content: await this.chat.article(pack ?? "", citation), failed: false };
    } catch {
      this.article = { citation, content: null, failed: true };
    }
    this.requestUpdate();
  }

  express(opinion: Opinion | null): void {
    this.opinion = opinion;
    this.focusNext = opinion && opinion.kind !== "thanks" ? "opinion" : "";
    this.requestUpdate();
  }

  async copy(answer: Message): Promise<void> {
    try {
      await navigator.clipboard.writeText(answer.text);
      this.copied = answer.key;
      this.announce(this.t("copied"));
    } catch {
      this.copied = "";
    }
    this.requestUpdate();
  }

  async download(): Promise<void> {
    this.menu = false;
    await this.chat.kindly(async () => {
      const url = URL.createObjectURL(await this.chat.transcript());
      const link = document.createElement("a");
      link.href = url;
      link.download = "conversation.md";
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    });
  }

  packOf(name: string | null): Pack | undefined {
    return this.chat.packs.find((pack) => pack.name === name);
  }

  /** The pack that speaks here when there is only one. */
  get only(): Pack | undefined {
    return this.packOf(this.pack) ?? (this.chat.packs.length === 1 ? this.chat.packs[0] : undefined);
  }

  /** Once, and only where the site asks for it. */
  get mayRate(): boolean {
    return Boolean(this.chat.conversation) && !this.chat.rated && this.chat.api.visit?.site?.csat !== false;
  }

  /** Whether the visitor may want to type maths. */
  get mathematical(): boolean {
    const last = this.chat.messages.findLast((one) => one.pack)?.pack ?? null;
    return (this.packOf(last) ?? this.only)?.progress === "hints";
  }

  /** Where an article is on the site. A path such as /help/returns is on the site that embeds this. */
  website(address: unknown): string | null {
    const path = String(address ?? "").trim();
    if (!/^\/(?![/\\])[^\s\\]*$/.test(path)) return safeUrl(address);
    const framed = this.mode === "page";
    const site = this.siteKey && this.siteKey !== "local" ? (framed ? window.parent !== window && parentOrigin() : location.origin) : null;
    if (!site) return null;
    const url = new URL(path, site);
    return url.origin === site ? url.href : null;
  }

  // Keys, focus, scrolling, voice

  readonly keys = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault();
    if (this.menu) this.toggleMenu();
    else if (this.opinion && this.opinion.kind !== "thanks") this.express(null);
    else if (this.panel !== "chat") this.to("chat");
    else if (this.editing) {
      this.editing = null;
      this.draft = "";
      this.requestUpdate();
    } else this.hide();
  };

  /** Enter sends; while an input method composes (Japanese), it only confirms. */
  readonly boxKeys = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    void this.submit();
  };

  protected override createRenderRoot(): HTMLElement | DocumentFragment {
    const root = super.createRenderRoot();
    // Keys typed here are no shortcuts of the page: outside, they would seem to come from the page itself.
    for (const name of TYPED_EVENTS) root.addEventListener(name, (event) => event.stopPropagation());
    root.addEventListener("keydown", (event) => this.keys(event as KeyboardEvent));
    return root;
  }

  focusBox(): void {
    this.focusNext = "box";
    this.requestUpdate();
  }

  private find<T extends HTMLElement>(selector: string): T | null {
    return this.renderRoot.querySelector<T>(selector);
  }

  readonly scrolled = (event: Event): void => {
    const log = event.currentTarget as Element;
    const fromEnd = log.scrollHeight - log.scrollTop - log.clientHeight;
    if (fromEnd < 32) {
      this.stick = true;
      if (this.behind) {
        this.behind = false;
        this.requestUpdate();
      }
    } else if (log.scrollTop < this.lastTop - 1) this.stick = false;
    this.lastTop = log.scrollTop;
  };

  /** What was read stays where it is on the screen. */
  async showEarlier(): Promise<void> {
    const log = this.find(".log");
    const below = log ? log.scrollHeight - log.scrollTop : 0;
    this.stick = false;
    await this.chat.showEarlier();
    // Changes are drawn with the next frame; the place is kept in this one.
    this.requestUpdate();
    await this.updateComplete;
    if (log) log.scrollTop = log.scrollHeight - below;
  }

  toEnd(): void {
    this.stick = true;
    this.behind = false;
    this.requestUpdate();
  }

  protected override updated(): void {
    const log = this.find(".log");
    if (log !== this.lastLog) {
      // A log that was not there before begins at its end.
      this.lastLog = log;
      this.lastTop = 0;
      this.stick = true;
      this.growth.disconnect();
      const lines = log?.querySelector(".lines");
      if (lines) this.growth.observe(lines);
    }
    if (log) this.keepEnd(log);
    this.moveFocus();
    const box = this.find<HTMLTextAreaElement>("textarea.box");
    if (box && box.value !== this.draft) box.value = this.draft;
    if (box && this.measured !== this.draft) {
      this.measured = this.draft;
      grow(box);
    }
  }

  private keepEnd(log: Element): void {
    const fromEnd = log.scrollHeight - log.scrollTop - log.clientHeight;
    if (this.stick) {
      log.scrollTop = log.scrollHeight;
      this.lastTop = log.scrollTop;
    } else if (fromEnd > 32 && !this.behind && this.chat.busy) {
      this.behind = true;
      this.requestUpdate();
    }
  }

  private moveFocus(): void {
    const wanted = this.focusNext;
    if (!wanted) return;
    const place = PLACES[wanted]!.map((selector) => this.find(selector)).find(Boolean);
    if (!place) return;
    this.focusNext = "";
    // A page whose visitor is elsewhere keeps its focus; a keyboard of a phone does not come up by itself.
    if (wanted === "launcher" && this.returnTo?.isConnected && this.returnTo !== document.body && this.returnTo !== this) this.returnTo.focus();
    else place.focus({ preventScroll: true });
  }

  /** Tells a screen reader once. The place is emptied afterwards, or it would be found and read again. */
  announce(text: string): void {
    clearTimeout(this.silence);
    this.spoken = text;
    this.requestUpdate();
    this.silence = setTimeout(() => {
      this.spoken = "";
      this.requestUpdate();
    }, 3_000) as unknown as number;
  }

  protected override willUpdate(): void {
    this.dark = this.theme === "dark" || (this.theme !== "light" && this.scheme.matches);
    if (this.open && this.panel === "chat" && document.visibilityState === "visible") this.chat.read();
  }

  protected override render(): TemplateResult {
    return shell(this);
  }
}

function grow(box: HTMLTextAreaElement): void {
  if (box.value.length > 20_000) return;
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 160)}px`;
}
