// What the server says, and what the widget makes of it. docs/http.md is the reference.

export interface Pack {
  name: string;
  title: string;
  persona: string;
  greeting: string;
  suggestions: string[];
  /** "hints": the pack leads up a ladder of hints, and its visitor types maths. */
  progress?: string | null;
}

export interface Site {
  name: string;
  language?: string | null;
  packs?: string[] | null;
  require_identity?: boolean;
  prechat?: Schema | null;
  csat?: boolean;
  contact?: { email?: string | null; phone?: string | null } | null;
}

export interface Visit {
  token: string;
  expires_in: number;
  refresh_token?: string | null;
  customer: string | null;
  demo: boolean;
  max_message_chars: number;
  site?: Site | null;
}

/** The part of JSON Schema that a pre-chat form is made from. */
export interface Schema {
  title?: string;
  description?: string;
  properties?: Record<string, Field>;
  required?: string[];
}

export interface Field {
  type?: string;
  title?: string;
  description?: string;
  format?: string;
  enum?: unknown[];
  default?: unknown;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
}

export interface Citation {
  id: string;
  title: string;
  url?: string | null;
}

export interface Step {
  label: string;
  status: string;
}

export interface Chip {
  title: string;
  text: string;
}

export interface Progress {
  step: number;
  of: number;
}

export type Rating = "up" | "down";
export type State = "sending" | "waiting" | "streaming" | "done" | "stopped" | "failed";

export interface Message {
  key: string;
  role: "user" | "assistant" | "agent";
  text: string;
  runId: string | null;
  clientId: string | null;
  state: State;
  pack: string | null;
  routed: boolean;
  citations: Citation[];
  steps: Step[];
  chips: Chip[];
  progress: Progress | null;
  rating: Rating | null;
  /** Why it failed, ready to be read; `code` is the server's. */
  error: string;
  code: string;
  note: string;
  author: string;
  /** The seq of the last event that was applied. */
  seen: number;
}

export interface Handover {
  status: "none" | "queued" | "joined" | "closed";
  agent?: string | null;
  position?: number | null;
}

export interface PastMessage {
  role: string;
  text?: string;
  content?: string;
  run_id: string | null;
  pack?: string | null;
  citations?: Citation[];
  author?: unknown;
  rating?: Rating | null;
  feedback?: Rating | { rating?: Rating } | null;
  progress?: Progress | null;
}

export interface History {
  messages: PastMessage[];
  active_run?: string | null;
  handover?: Handover | null;
  rated?: boolean;
  /** So many exchanges are before those that are told. */
  earlier?: number;
  /** The seq of the last event of the conversation itself. */
  last_event?: number;
}

export interface Article {
  id: string;
  title: string;
  url?: string | null;
  markdown: string;
}

export interface StreamEvent {
  seq: number;
  type: string;
  data: Record<string, unknown>;
}
