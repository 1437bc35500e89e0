// Calls to the server: the visitor's short-lived token is kept in memory, its rotating refresh token on the shelf.

import { encode, newId, type Shelf } from "./shelf";
import type { Tabs } from "./tabs";
import type { Visit } from "./types";

/** The server's own pages need no key: it answers them as the site `local`. */
const LOCAL = "local";
const RENEW_BEFORE_MS = 30_000;
const ANSWER_MS = 30_000;

export interface Problem {
  field: string;
  why: string;
}

/** An answer that is no success. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly wait: number | null,
    readonly problems: Problem[],
  ) {
    super(message);
  }

  static async of(response: Response): Promise<Refused> {
    const body = await response.json().catch(() => null);
    const detail = body?.error ?? {};
    const wait = Number(response.headers.get("Retry-After") ?? NaN);
    const problems = Array.isArray(detail.problems) ? detail.problems : [];
    return new Refused(
      response.status,
      String(detail.code ?? ""),
      String(detail.message ?? ""),
      Number.isFinite(wait) ? wait : null,
      problems,
    );
  }
}

export interface Call {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** A stream may take as long as it likes. */
  stream?: boolean;
}

/** Who signs in with a class code. In memory only: on a shared computer the next pupil signs in anew. */
export interface Pupil {
  code: string;
  nickname: string;
}

type Given = string | null | undefined;
export type CustomerSource = string | (() => Given | Promise<Given>);

export class Api {
  visit: Visit | null = null;
  pupil: Pupil | null = null;
  private expires = 0;
  private renewing: Promise<Visit> | null = null;
  private customer: CustomerSource | null = null;
  /** Counts who was here: an answer on its way may be for the one before. */
  private person = 0;
  private browser = 0;

  constructor(
    readonly base: string,
    readonly siteKey: string,
    private readonly shelf: Shelf,
    private readonly tabs: Tabs,
  ) {}

  /** The customer whom the page signed in from now on; null: nobody. */
  identify(customer: CustomerSource | null, pupil: Pupil | null = null): void {
    this.customer = customer;
    this.pupil = pupil;
    this.visit = null;
    this.person += 1;
  }

  get identified(): boolean {
    return this.customer !== null || this.pupil !== null;
  }

  /** Forgets who is here: the next call is by somebody new. */
  forget(): void {
    this.identify(null);
    this.browser += 1;
    this.shelf.set("refresh", null);
    this.shelf.set("attempt", null);
  }

  async ask<T>(path: string, call: Call = {}): Promise<T> {
    return (await this.fetch(path, call)).json() as Promise<T>;
  }

  /** The answer of a call that succeeded. Throws Refused, or what fetch throws. */
  async fetch(path: string, call: Call = {}): Promise<Response> {
    if (!this.visit || Date.now() > this.expires - RENEW_BEFORE_MS) await this.renew();
    let response = await this.send(path, call);
    if (response.status === 401) {
      await this.renew();
      response = await this.send(path, call);
    }
    if (!response.ok) throw await Refused.of(response);
    return response;
  }

  /** A token for this visitor. Tabs take turns: a refresh token counts once. */
  async renew(): Promise<Visit> {
    this.renewing ??= this.tabs
      .alone("token", () => this.obtain())
      .finally(() => {
        this.renewing = null;
      });
    return this.renewing;
  }

  private async obtain(): Promise<Visit> {
    const { person, browser } = this;
    const refresh = this.shelf.get("refresh");
    if (refresh) this.visit = null;
    // The same attempt again gives the same answer again: one that was lost on its way does no harm.
    const attempt = this.shelf.get("attempt") ?? newId();
    if (refresh) this.shelf.set("attempt", attempt);
    const body = {
      site_key: this.siteKey && this.siteKey !== LOCAL ? this.siteKey : undefined,
      refresh_token: refresh ?? undefined,
      attempt: refresh ? attempt : undefined,
      customer: await this.customerToken(),
      class_code: this.pupil?.code,
      nickname: this.pupil?.nickname,
    };
    const response = await this.send("v1/visitors", { method: "POST", body });
    if (!response.ok) {
      const refused = await Refused.of(response);
      // The page signed somebody in meanwhile: ask again, as that one.
      if (person !== this.person) return this.obtain();
      // An expired token, one for another site, a page of a login form: whoever it is must sign in again.
      if (response.status === 401 && (body.customer || body.class_code) && refused.code === "unauthenticated") {
        throw new Refused(401, body.customer ? "identity_required" : "class_refused", refused.message, null, []);
      }
      if (refused.code !== "refresh_refused" || !refresh) throw refused;
      // Too old, or another tab without locks was first.
      if (this.shelf.get("refresh") === refresh) this.shelf.set("refresh", null);
      this.shelf.set("attempt", null);
      return this.obtain();
    }
    const visit = (await response.json()) as Visit;
    if (browser !== this.browser) return this.obtain();
    this.shelf.set("refresh", visit.refresh_token ?? null);
    this.shelf.set("attempt", null);
    if (person !== this.person) return this.obtain();
    this.expires = Date.now() + visit.expires_in * 1000;
    this.visit = visit;
    return visit;
  }

  private async customerToken(): Promise<string | undefined> {
    const given = typeof this.customer === "function" ? await this.customer() : this.customer;
    // Nothing: nobody is signed in.
    return given?.trim() || undefined;
  }

  private send(path: string, { method = "GET", body, headers, signal, stream }: Call): Promise<Response> {
    const all: Record<string, string> = { ...headers };
    if (this.visit) all.Authorization = `Bearer ${this.visit.token}`;
    if (body !== undefined) all["Content-Type"] = "application/json";
    const limit = stream ? [] : [AbortSignal.timeout(ANSWER_MS)];
    return fetch(new URL(path, this.base), {
      method,
      headers: all,
      body: body === undefined ? undefined : encode(body),
      signal: AbortSignal.any([...(signal ? [signal] : []), ...limit]),
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
    });
  }
}
