// Server-sent events over fetch: EventSource can neither send a token nor be watched for silence.

import type { StreamEvent } from "./types";

const TRIES = 10;
/** The server sends a comment every 15 s; after so long without a byte the line is dead. */
const SILENCE_MS = 40_000;
const MAX_FRAME = 2_000_000;

export interface Following {
  signal: AbortSignal;
  /** Opens the stream after the event `seen`; throws what can't be mended by trying again. */
  open(seen: number, signal: AbortSignal): Promise<Response>;
  onEvent(event: StreamEvent): void;
  /** Whether the line is broken just now. */
  onBroken?(broken: boolean): void;
  isLast(event: StreamEvent): boolean;
  seen?: number;
  /** Whether an error makes further tries useless. */
  isFinal(error: unknown): boolean;
  tries?: number;
}

/** Every event once and in order, over as many connections as it takes. Throws when there is no way. */
export async function follow(way: Following): Promise<void> {
  let seen = way.seen ?? 0;
  const tries = way.tries ?? TRIES;
  for (let failures = 0; failures < tries; failures += 1) {
    if (failures) {
      way.onBroken?.(true);
      await patience(failures, way.signal);
    }
    const line = new AbortController();
    const giveUp = () => line.abort();
    way.signal.addEventListener("abort", giveUp);
    try {
      way.signal.throwIfAborted();
      const response = await way.open(seen, line.signal);
      for await (const event of watched(response, line)) {
        if (failures) way.onBroken?.(false);
        failures = 0;
        // A place in the queue moves without a seq of its own.
        if (event === null || (event.seq <= seen && event.type !== "handover")) continue;
        seen = Math.max(seen, event.seq);
        way.onEvent(event);
        if (way.isLast(event)) return;
      }
    } catch (error) {
      if (way.signal.aborted || way.isFinal(error)) throw error;
    } finally {
      way.signal.removeEventListener("abort", giveUp);
      line.abort();
    }
  }
  throw new Error("the connection was lost");
}

/** The events of a response; a line that stays silent for too long is cut. */
async function* watched(response: Response, line: AbortController): AsyncGenerator<StreamEvent | null> {
  let timer = 0;
  const wind = () => {
    clearTimeout(timer);
    timer = setTimeout(() => line.abort(), SILENCE_MS) as unknown as number;
  };
  try {
    wind();
    for await (const event of events(response.body!, wind)) yield event;
  } finally {
    clearTimeout(timer);
  }
}

/** The frames of a stream; null for a comment. `onBytes` hears of every chunk. */
export async function* events(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void = () => {},
): AsyncGenerator<StreamEvent | null> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes();
      // A CR at the end may be half of a CRLF: it waits for the next chunk.
      const text = rest + decoder.decode(value, { stream: true });
      const held = text.endsWith("\r") ? "\r" : "";
      const frames = text.slice(0, text.length - held.length).replace(/\r\n?/g, "\n").split("\n\n");
      rest = frames.pop() + held;
      if (rest.length > MAX_FRAME) throw new Error("a frame is too long");
      for (const frame of frames) yield read(frame);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function read(frame: string): StreamEvent | null {
  let [id, type, data] = ["", "message", ""];
  for (const line of frame.split("\n")) {
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (name === "id") id = value;
    if (name === "event") type = value;
    if (name === "data") data += (data && "\n") + value;
  }
  if (!data) return null;
  const body = JSON.parse(data) as Record<string, unknown>;
  const inner = body.data && typeof body.data === "object" ? (body.data as Record<string, unknown>) : body;
  return { seq: Number(id || body.seq || 0), type: String(body.type ?? type), data: inner };
}

/** Waits longer with every failure, never in step with others, and not beyond the return of the network. */
export function patience(failures: number, signal: AbortSignal): Promise<void> {
  const pause = Math.min(15_000, 400 * 2 ** failures) * (0.5 + Math.random() / 2);
  return new Promise((wake, refuse) => {
    const stop = () => {
      clearTimeout(timer);
      removeEventListener("online", soon);
      signal.removeEventListener("abort", cut);
    };
    const soon = () => {
      stop();
      wake();
    };
    const cut = () => {
      stop();
      refuse(signal.reason);
    };
    // Offline: only the network's return ends the wait, or a minute.
    const timer = setTimeout(soon, navigator.onLine === false ? 60_000 : pause);
    addEventListener("online", soon);
    signal.addEventListener("abort", cut);
    if (signal.aborted) cut();
  });
}
