// One message, and what an event of its run does to it.

import { newId } from "./shelf";
import type { Chip, Citation, Handover, Message, PastMessage, Progress, Rating, StreamEvent } from "./types";

export function message(role: Message["role"], fields: Partial<Message> = {}): Message {
  return {
    key: newId(),
    role,
    text: "",
    runId: null,
    clientId: null,
    state: "done",
    pack: null,
    routed: false,
    citations: [],
    steps: [],
    chips: [],
    progress: null,
    rating: null,
    error: "",
    code: "",
    note: "",
    author: "",
    seen: 0,
    ...fields,
  };
}

/** A message of the history. It keeps the key of the one that is shown already, and so its place on the screen. */
export function past(from: PastMessage, index: number, shown: Message[]): Message {
  const author = authorOf(from.author);
  const role = from.role === "user" ? "user" : from.role === "agent" || author.agent ? "agent" : "assistant";
  const known = shown.find((one) => one.role === role && (from.run_id ? one.runId === from.run_id : one.key === `p${index}`));
  return message(role, {
    ...(known ? { chips: known.chips, steps: known.steps, note: known.note, state: known.state === "stopped" ? "stopped" : "done" } : {}),
    key: known?.key ?? (from.run_id ? `${from.run_id}${role[0]}` : `p${index}`),
    text: from.text ?? from.content ?? "",
    runId: from.run_id ?? null,
    pack: from.pack ?? null,
    routed: Boolean(from.pack),
    citations: from.citations ?? [],
    rating: ratingOf(from.rating ?? from.feedback),
    author: author.name,
    progress: from.progress ?? known?.progress ?? null,
  });
}

function authorOf(author: unknown): { agent: boolean; name: string } {
  if (typeof author === "string") return { agent: author !== "bot" && author !== "visitor", name: author === "bot" || author === "agent" ? "" : author };
  const given = (author ?? {}) as { kind?: string; type?: string; role?: string; name?: string };
  return { agent: (given.kind ?? given.type ?? given.role) === "agent", name: given.name ?? "" };
}

function ratingOf(given: PastMessage["feedback"]): Rating | null {
  return typeof given === "string" ? given : (given?.rating ?? null);
}

/** Applies one event to the answer. Returns the hand-over that it brought, if any. */
export function apply(answer: Message, { seq, type, data }: StreamEvent): Handover | null {
  answer.seen = seq;
  if (answer.state === "waiting" && type !== "run") answer.state = "streaming";
  if (type === "route") {
    answer.pack = typeof data.pack === "string" ? data.pack : null;
    answer.routed = true;
  } else if (type === "passages") {
    answer.citations = ((data.items as Citation[] | undefined) ?? []).slice(0, 10);
  } else if (type === "action") {
    act(answer, data);
  } else if (type === "delta") {
    answer.text += String(data.text ?? "");
  } else if (type === "handoff") {
    return { status: "queued", position: typeof data.position === "number" ? data.position : null };
  } else if (type === "done") {
    answer.state = data.finish_reason === "cancelled" ? "stopped" : "done";
    answer.text = answer.text.trimEnd();
    if (Array.isArray(data.cited)) {
      const cited = new Set(data.cited.map(String));
      answer.citations = answer.citations.filter((one) => cited.has(one.id));
    }
    if (data.finish_reason === "length") answer.note = "cut";
    answer.progress = progressOf(data.progress) ?? answer.progress;
  } else if (type === "error") {
    answer.state = "failed";
    answer.code = String(data.code ?? "");
    answer.error = String(data.message ?? "");
  }
  return null;
}

function act(answer: Message, data: Record<string, unknown>): void {
  const status = String(data.status ?? "");
  if (status === "started") {
    answer.steps = [...answer.steps, { label: String(data.label || data.name || ""), status }];
    return;
  }
  answer.steps = answer.steps.map((step, index) => (index === answer.steps.length - 1 ? { ...step, status } : step));
  answer.progress = progressOf(data.progress) ?? answer.progress;
  for (const button of (data.buttons as { title?: unknown; payload?: unknown }[] | undefined) ?? []) {
    const title = String(button.title ?? "");
    if (title && answer.chips.length < 8) answer.chips = [...answer.chips, chip(title, button.payload)];
  }
}

const chip = (title: string, payload: unknown): Chip => ({ title, text: String(payload ?? title) });

function progressOf(given: unknown): Progress | null {
  const { step, of } = (given ?? {}) as Partial<Progress>;
  return Number.isInteger(step) && Number.isInteger(of) && step! >= 0 && of! > 0 ? { step: step!, of: of! } : null;
}

export const busy = (one: Message): boolean =>
  one.role === "assistant" && (one.state === "waiting" || one.state === "streaming");
