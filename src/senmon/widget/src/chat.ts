// The conversation: what is shown, and everything that changes it. The server keeps the history.

import { Api, Refused, type CustomerSource, type Pupil } from "./api";
import { plain } from "./reader";
import { apply, busy, message, past } from "./messages";
import { newId, type Shelf } from "./shelf";
import { follow, patience } from "./sse";
import type { Tabs, News } from "./tabs";
import type { Article, Handover, History, Message, Pack, Rating, StreamEvent } from "./types";

export type Phase = "idle" | "loading" | "pupil" | "prechat" | "ready" | "failed";

/** Something to tell kindly, above the box to type in. */
export interface Notice {
  kind: "offline" | "broken" | "slow" | "failed" | "identity";
  wait?: number;
  detail?: string;
}

export interface Host {
  changed(): void;
  announce(text: string): void;
  emit(name: string, detail?: Record<string, unknown>): void;
  visible(): boolean;
  /** What the server explains is English. */
  english(): boolean;
  /** Pupils sign in with a class code here. */
  byClassCode(): boolean;
}

const NO_HANDOVER: Handover = { status: "none" };
const POLL_MS = 10_000;
/** So many of the last exchanges are shown at first, and so many more each time that somebody asks. */
const REACH = 50;
const MOST = 500;

export class Chat {
  phase: Phase = "idle";
  packs: Pack[] = [];
  messages: Message[] = [];
  handover: Handover = NO_HANDOVER;
  rated = false;
  unread = 0;
  /** So many exchanges of the conversation are not shown. */
  earlier = 0;
  notice: Notice | null = null;
  failure: Refused | null = null;
  /** Wrong fields of the form before the chat. */
  problems = new Map<string, string>();

  private prechat: Record<string, unknown> | null = null;
  private beginning: string | null = null;
  private heard = 0;
  private reach = REACH;
  private starting: Promise<void> | null = null;
  private life = new AbortController();
  private sending = false;
  private following: string | null = null;
  private watching: AbortController | null = null;

  constructor(
    readonly api: Api,
    private readonly shelf: Shelf,
    private readonly tabs: Tabs,
    private readonly host: Host,
    private readonly pinned: () => string | null,
  ) {}

  get conversation(): string | null {
    return this.shelf.get("conversation");
  }

  get busy(): boolean {
    return this.sending || this.messages.some(busy);
  }

  get person(): boolean {
    return this.handover.status === "joined";
  }

  /** The exchange that may still be replaced: the last one, once it has ended. */
  get last(): Message | null {
    return this.busy ? null : (this.messages.findLast((one) => one.role === "user") ?? null);
  }

  // Life

  start(): Promise<void> {
    if (this.starting) return this.starting;
    const begun: Promise<void> = this.begin().catch((error: unknown) => {
      // Somebody else signed in meanwhile: a later start says how it is.
      if (this.starting !== begun) return;
      this.starting = null;
      this.fail(error);
    });
    this.starting = begun;
    return begun;
  }

  private async begin(): Promise<void> {
    this.notice = null;
    this.phase = this.host.byClassCode() && !this.api.identified ? "pupil" : "loading";
    this.host.changed();
    if (this.phase === "pupil") return;
    this.tabs.listen();
    const visit = await this.api.renew();
    const { packs } = await this.api.ask<{ packs: Pack[] }>("v1/packs");
    const allowed = visit.site?.packs;
    this.packs = allowed?.length ? packs.filter((pack) => allowed.includes(pack.name)) : packs;
    if (this.conversation) await this.restore();
    this.phase = this.needsForm() ? "prechat" : "ready";
    this.host.changed();
    this.host.emit("ready");
  }

  /** Signs a pupil in. Which field the server refuses; "" when it is another trouble, null when all is well. */
  async signIn(pupil: Pupil): Promise<"code" | "nickname" | "" | null> {
    this.api.identify(null, pupil);
    const begun = this.begin();
    this.starting = begun;
    try {
      await begun;
      return null;
    } catch (error) {
      this.starting = null;
      this.api.identify(null);
      this.phase = "pupil";
      if (error instanceof Refused && error.code === "class_refused") return "code";
      if (error instanceof Refused && error.status === 422) return "nickname";
      this.tell(error);
      return "";
    } finally {
      this.host.changed();
    }
  }

  private needsForm(): boolean {
    const visit = this.api.visit;
    const fields = visit?.site?.prechat?.properties;
    return !this.conversation && !this.prechat && !visit?.customer && Boolean(fields && Object.keys(fields).length);
  }

  private fail(error: unknown): void {
    this.failure = error instanceof Refused ? error : null;
    this.phase = "failed";
    this.host.changed();
    this.host.emit("error", { code: this.failure?.code ?? "unreachable" });
  }

  end(): void {
    this.life.abort();
    this.watching?.abort();
    this.tabs.close();
  }

  /** Another person, or nobody signed in any more: nothing of the one before stays. */
  async become(customer: CustomerSource | null, fresh: boolean): Promise<void> {
    if (fresh) {
      this.api.forget();
      this.leave();
      this.tabs.tell("reset");
    }
    this.api.identify(customer);
    const begun = this.starting;
    this.starting = null;
    // One that could not begin may begin now.
    if (begun || this.phase === "failed") await this.start();
  }

  private leave(): void {
    this.life.abort();
    this.life = new AbortController();
    this.watching?.abort();
    this.watching = null;
    this.following = null;
    this.sending = false;
    this.shelf.set("conversation", null);
    this.messages = [];
    this.earlier = 0;
    this.reach = REACH;
    this.heard = 0;
    this.beginning = null;
    this.handover = NO_HANDOVER;
    this.rated = false;
    this.notice = null;
    this.prechat = null;
    this.read();
  }

  newConversation(): void {
    this.leave();
    this.tabs.tell("conversation", null);
    this.phase = this.needsForm() ? "prechat" : "ready";
    this.host.changed();
  }

  // History

  private async restore(): Promise<void> {
    const id = this.conversation;
    try {
      const history = await this.api.ask<History>(`v1/conversations/${id}?last=${this.reach}`);
      if (id === this.conversation) this.show(history);
    } catch (error) {
      if (!gone(error)) throw error;
      this.leave();
    }
  }

  private show(history: History): void {
    const active = history.active_run ?? null;
    const before = this.messages;
    this.earlier = history.earlier ?? 0;
    const waiting = this.messages.filter((one) => one.state === "sending" || (one.state === "failed" && !one.runId));
    this.messages = history.messages
      .filter((one) => !(active && one.run_id === active && one.role !== "user"))
      .map((one, index) => past(one, index, this.messages));
    if (active) {
      // The one that is followed already goes on where it is.
      const followed = this.following === active ? before.find((one) => one.runId === active && one.role === "assistant") : null;
      const answer = followed ?? message("assistant", { key: `${active}a`, runId: active, state: "waiting" });
      this.messages.push(answer);
      void this.listen(answer);
    }
    this.messages.push(...waiting.filter((one) => !this.messages.some((known) => known.clientId === one.clientId)));
    this.rated = Boolean(history.rated);
    this.heard = Math.max(this.heard, history.last_event ?? 0);
    this.setHandover(history.handover ?? NO_HANDOVER);
    this.countUnread();
    this.host.changed();
  }

  /** Shows more of a long conversation. */
  async showEarlier(): Promise<void> {
    this.reach = Math.min(MOST, this.reach + 2 * REACH);
    await this.kindly(() => this.restore());
  }

  get canShowEarlier(): boolean {
    return this.earlier > 0 && this.reach < MOST && !this.busy;
  }

  private async refresh(): Promise<void> {
    if (!this.conversation || this.sending || this.following) return;
    await this.restore().catch(() => {});
    this.host.changed();
  }

  hear(news: News): void {
    if (this.phase === "idle" || this.phase === "pupil") return;
    const ours = news.conversation === this.conversation;
    if (news.kind === "reset" || (news.kind === "conversation" && !news.conversation)) {
      this.leave();
      this.phase = this.needsForm() ? "prechat" : "ready";
      this.host.changed();
    } else if (news.kind === "read" && ours) {
      this.unread = 0;
      this.host.changed();
    } else if (news.kind === "conversation" || ours) {
      if (this.phase === "prechat") this.phase = "ready";
      void this.refresh();
    }
  }

  // Sending

  /** The form before the chat. False: the server names what is wrong. */
  async submit(answers: Record<string, unknown>): Promise<boolean> {
    this.prechat = answers;
    this.problems.clear();
    try {
      await this.ensureConversation();
      this.phase = "ready";
      return true;
    } catch (error) {
      this.prechat = null;
      this.beginning = null;
      if (error instanceof Refused && error.status === 422) {
        for (const { field, why } of error.problems) {
          this.problems.set(field.replace(/^(?:body\.)?prechat\./, ""), this.host.english() ? why : "");
        }
      }
      if (!this.problems.size) this.tell(error);
      return false;
    } finally {
      this.host.changed();
    }
  }

  private async ensureConversation(): Promise<string> {
    return this.tabs.alone("begin", async () => {
      const known = this.conversation;
      if (known) return known;
      this.beginning ??= newId();
      const body = { client_id: this.beginning, prechat: this.prechat ?? undefined };
      const made = await this.api.ask<{ conversation_id: string }>("v1/conversations", { method: "POST", body });
      this.shelf.set("conversation", made.conversation_id);
      this.beginning = null;
      this.tabs.tell("conversation", made.conversation_id);
      return made.conversation_id;
    });
  }

  /** Says `text`. `again` is a message that was not delivered; `replaces` the run that this one takes the place of. */
  async send(text: string, options: { pack?: string | null; replaces?: string | null; again?: Message } = {}): Promise<void> {
    const words = text.trim();
    if (!words || this.busy) return;
    this.notice = null;
    const mine = options.again ?? message("user", { text: words, clientId: newId(), key: newId() });
    mine.state = "sending";
    const before = this.messages;
    const kept = before.filter((one) => one !== mine && !(options.replaces && one.runId === options.replaces));
    this.messages = [...kept, mine];
    this.sending = true;
    this.host.changed();
    this.host.emit("message", { role: "user" });
    try {
      const pack = options.pack ?? this.pinned() ?? undefined;
      const body = { client_id: mine.clientId, text: words, pack, replaces: options.replaces ?? undefined };
      const run = await this.post(body);
      mine.state = "done";
      mine.runId = run;
      this.sending = false;
      this.host.changed();
      this.tabs.tell("run", this.conversation);
      if (run) await this.answer(run);
    } catch (error) {
      this.sending = false;
      if (this.life.signal.aborted || !this.messages.includes(mine)) return;
      if (options.replaces) this.messages = before;
      mine.state = "failed";
      this.tell(error);
    }
  }

  /** The run that the message began; null: a person got it. Tried again where that can help. */
  private async post(body: Record<string, unknown>): Promise<string | null> {
    const { signal } = this.life;
    for (let failures = 0; ; failures += 1) {
      try {
        const path = `v1/conversations/${await this.ensureConversation()}/messages`;
        const begun = await this.api.ask<{ run_id: string | null }>(path, { method: "POST", body, signal });
        this.clear("slow", "offline", "broken");
        return begun.run_id;
      } catch (error) {
        if (signal.aborted || failures >= 5) throw error;
        if (gone(error) && failures < 2) {
          this.shelf.set("conversation", null);
          continue;
        }
        await this.pause(error, failures, signal);
      }
    }
  }

  /** Waits before the next try, saying why; throws what no waiting mends. */
  private async pause(error: unknown, failures: number, signal: AbortSignal): Promise<void> {
    if (error instanceof Refused) {
      const wait = error.wait ?? 2 ** failures;
      if (![429, 503].includes(error.status) || wait > 30) throw error;
      this.notice = { kind: "slow", wait: Math.max(1, Math.ceil(wait)) };
      this.host.changed();
      await sleep(wait * 1000 + 300 * Math.random(), signal);
    } else {
      this.notice = { kind: navigator.onLine === false ? "offline" : "broken" };
      this.host.changed();
      await patience(failures, signal);
    }
  }

  private async answer(run: string): Promise<void> {
    const known = this.messages.find((one) => one.runId === run && one.role === "assistant");
    const answer = known ?? message("assistant", { key: `${run}a`, runId: run, state: "waiting" });
    if (!known) this.messages = [...this.messages, answer];
    await this.listen(answer);
  }

  /** Follows the run of an answer until it ends, over as many connections as it takes. */
  async listen(answer: Message): Promise<void> {
    const run = answer.runId!;
    if (this.following === run) return;
    this.following = run;
    if (answer.state === "failed") answer.state = "streaming";
    answer.code = "";
    const { signal } = this.life;
    this.host.changed();
    try {
      await follow({
        signal,
        seen: answer.seen,
        open: (seen, line) =>
          this.api.fetch(`v1/runs/${run}/events`, {
            headers: seen ? { "Last-Event-ID": String(seen) } : {},
            signal: line,
            stream: true,
          }),
        onEvent: (event) => this.event(answer, event),
        onBroken: (broken) => (broken ? this.broken() : this.clear("broken", "offline")),
        isLast: ({ type }) => type === "done" || type === "error",
        isFinal,
      });
      this.ended(answer);
    } catch {
      if (signal.aborted) return;
      answer.state = "failed";
      answer.code = "connection";
      this.clear("broken");
    } finally {
      if (this.following === run) this.following = null;
      this.host.changed();
    }
  }

  private event(answer: Message, event: StreamEvent): void {
    const handover = apply(answer, event);
    if (handover && this.handover.status === "none") this.setHandover(handover);
    this.host.changed();
  }

  private ended(answer: Message): void {
    this.clear("broken", "offline");
    if (answer.text) this.host.announce(plain(answer.text));
    this.host.emit("answer", { run_id: answer.runId, pack: answer.pack, state: answer.state });
    this.countUnread();
  }

  async stop(): Promise<void> {
    const run = this.messages.findLast(busy)?.runId;
    if (run) await this.kindly(() => this.api.fetch(`v1/runs/${run}`, { method: "DELETE" }));
  }

  // What the visitor thinks

  rate(answer: Message, rating: Rating, more: { reason?: string; correction?: string; topic?: string } = {}): Promise<boolean> {
    return this.kindly(async () => {
      const body = { rating, ...more };
      await this.api.fetch(`v1/runs/${answer.runId}/feedback`, { method: "POST", body });
      answer.rating = rating;
    });
  }

  score(score: number, comment: string): Promise<boolean> {
    return this.kindly(async () => {
      const body = { score, ...(comment ? { comment } : {}) };
      await this.api.fetch(`v1/conversations/${this.conversation}/rating`, { method: "POST", body }).catch((error: unknown) => {
        if (!(error instanceof Refused && error.status === 409)) throw error;
      });
      this.rated = true;
      this.tabs.tell("changed", this.conversation);
    });
  }

  // A person

  requestPerson(note: string): Promise<boolean> {
    return this.kindly(async () => {
      const path = `v1/conversations/${await this.ensureConversation()}/handover`;
      const body = note ? { note } : {};
      this.setHandover(await this.api.ask<Handover>(path, { method: "POST", body }));
      this.tabs.tell("changed", this.conversation);
    });
  }

  withdraw(): Promise<boolean> {
    return this.kindly(async () => {
      this.setHandover(await this.api.ask<Handover>(`v1/conversations/${this.conversation}/handover`, { method: "DELETE" }));
      this.tabs.tell("changed", this.conversation);
    });
  }

  private setHandover(handover: Handover): void {
    const before = this.handover.status;
    this.handover = handover;
    if (handover.status !== before) this.host.emit("handover", { ...handover });
    if (handover.status === "queued" || handover.status === "joined") this.watch();
    else {
      this.watching?.abort();
      this.watching = null;
    }
  }

  /** Hears what people say, in one tab at a time; the others are told that something changed. */
  private watch(): void {
    if (this.watching || !this.conversation) return;
    const conversation = this.conversation;
    const watching = (this.watching = new AbortController());
    const { signal } = watching;
    this.tabs.alone(`watch:${conversation}`, () => this.events(conversation, signal), signal).catch(() => {});
  }

  private async events(conversation: string, signal: AbortSignal): Promise<void> {
    const path = `v1/conversations/${conversation}/events`;
    // Between the history that is shown and the first event something may have been said.
    await this.refresh();
    while (!signal.aborted) {
      try {
        await follow({
          signal,
          seen: this.heard,
          open: (seen, line) =>
            this.api.fetch(path, { headers: seen ? { "Last-Event-ID": String(seen) } : {}, signal: line, stream: true }),
          onEvent: (event) => this.news(conversation, event),
          isLast: () => false,
          isFinal,
          tries: 1_000,
        });
      } catch {
        // A server without this stream, or a long night without a network: look now and then.
        await sleep(POLL_MS, signal);
        await this.refresh();
        this.tabs.tell("changed", conversation);
      }
    }
  }

  private news(conversation: string, { seq, type, data }: StreamEvent): void {
    if (conversation !== this.conversation) return;
    this.heard = Math.max(this.heard, seq);
    if (type === "message" && data.role !== "user") {
      const text = String(data.text ?? "");
      this.host.announce(plain(text));
      this.host.emit("message", { role: "agent" });
    }
    if (type === "handover") this.setHandover(data as unknown as Handover);
    if (type === "rated") this.rated = true;
    void this.refresh();
    this.tabs.tell("changed", conversation);
  }

  // Reading

  article(pack: string, id: string): Promise<Article> {
    return this.api.ask<Article>(`v1/articles/${encodeURIComponent(pack)}/${encodeURIComponent(id)}`);
  }

  async transcript(): Promise<Blob> {
    return (await this.api.fetch(`v1/conversations/${this.conversation}/transcript`)).blob();
  }

  /** Everything there is has been seen, in all tabs. */
  read(): void {
    if (this.phase === "idle" || this.phase === "loading") return;
    const seen = String(this.answers());
    if (!this.unread && this.shelf.get("seen") === seen) return;
    this.unread = 0;
    this.shelf.set("seen", seen);
    this.tabs.tell("read", this.conversation);
  }

  private answers(): number {
    return this.earlier + this.messages.filter((one) => one.role !== "user" && !busy(one)).length;
  }

  private countUnread(): void {
    if (this.host.visible()) this.read();
    else this.unread = Math.max(0, this.answers() - Number(this.shelf.get("seen") ?? 0));
  }

  // Telling

  /** Does `work`; says kindly when it fails. */
  async kindly(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.tell(error);
      return false;
    } finally {
      this.host.changed();
    }
  }

  private tell(error: unknown): void {
    if (!(error instanceof Refused)) this.notice = { kind: navigator.onLine === false ? "offline" : "failed" };
    else if (error.status === 429) this.notice = { kind: "slow", wait: Math.max(1, Math.ceil(error.wait ?? 5)) };
    else if (["identity_required", "class_refused"].includes(error.code)) this.notice = { kind: "identity" };
    else {
      const why = error.problems.map((problem) => problem.why).join("; ");
      this.notice = { kind: "failed", detail: error.status === 422 && this.host.english() ? why || error.message : "" };
    }
    this.host.changed();
    this.host.emit("error", { code: error instanceof Refused ? error.code : "unreachable" });
  }

  private broken(): void {
    this.notice = { kind: navigator.onLine === false ? "offline" : "broken" };
    this.host.changed();
  }

  private clear(...kinds: Notice["kind"][]): void {
    if (this.notice && kinds.includes(this.notice.kind)) this.notice = null;
  }
}

/** Whether a conversation is not there any more, or not this visitor's. */
const gone = (error: unknown): boolean => error instanceof Refused && [403, 404].includes(error.status) && error.code !== "pack_not_found";

const isFinal = (error: unknown): boolean =>
  error instanceof Refused && error.status < 500 && error.status !== 429 && error.status !== 408;

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((wake, refuse) => {
    const timer = setTimeout(wake, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      refuse(signal.reason);
    });
  });
}
