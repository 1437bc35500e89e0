// Follows one run. EventSource can't send a token, so this reads the stream itself, and resumes after a drop.

const TRIES = 8;

/** Calls `onEvent` once for every event of the run, in order, until `done` or `error`. */
export async function follow(open, onEvent) {
  let seen = 0;
  for (let failures = 0; failures < TRIES; ) {
    try {
      const response = await open(seen);
      if (!response.ok) throw new Refused(response);
      for await (const event of events(response.body)) {
        if (event.seq <= seen) continue;
        seen = event.seq;
        failures = 0;
        onEvent(event);
        if (event.type === "done" || event.type === "error") return;
      }
    } catch (error) {
      if (error instanceof Refused && error.response.status < 500) throw error;
    }
    failures += 1;
    await new Promise((wake) => setTimeout(wake, Math.min(5000, 200 * 2 ** failures)));
  }
  throw new Error("the connection was lost");
}

/** An answer that is no success. */
export class Refused extends Error {
  constructor(response) {
    super(`status ${response.status}`);
    this.response = response;
  }
}

/** The JSON data of each frame of a stream of server-sent events. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      for (const frame of frames) {
        const data = frame.split("\n").filter((line) => line.startsWith("data: "));
        if (data.length) yield JSON.parse(data.map((line) => line.slice(6)).join("\n"));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
