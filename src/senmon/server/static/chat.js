// The chat: sends messages, follows runs, shows what is being tuned.

import { follow, Refused } from "./sse.js";
import * as session from "./session.js";
import { chip, Reply, userMessage } from "./view.js";

const $ = (id) => document.getElementById(id);
const [log, form, text, stop, send] = ["log", "form", "text", "stop", "send"].map($);
const titles = new Map();
const names = new Map();
let running = null;
let sending = false;
let greeting = "";

async function start() {
  await session.visit();
  $("sign-in").hidden = !session.limits.demo;
  showSignIn();
  await loadPacks();
  watchTunings();
  if (session.current()) await restore();
  else greet();
  text.focus();
}

async function loadPacks() {
  const { packs } = await session.ask("v1/packs");
  for (const pack of packs) {
    titles.set(pack.name, pack.title);
    names.set(pack.name, pack.persona === "Assistant" ? pack.title : `${pack.persona} · ${pack.title}`);
  }
  $("packs").textContent = packs.map((pack) => pack.title).join(" · ");
  greeting = packs.length === 1 ? packs[0].greeting : "Hello! How can I help?";
  const ideas = packs.flatMap((pack) => pack.suggestions.slice(0, 3)).slice(0, 6);
  $("suggestions").replaceChildren(...ideas.map((idea) => chip(idea, () => say(idea))));
}

function greet() {
  const reply = new Reply({});
  reply.bubble.append(greeting);
  reply.settle();
  log.replaceChildren(reply.node);
}

async function restore() {
  try {
    const history = await session.ask(`v1/conversations/${session.current()}`);
    greet();
    for (const message of history.messages) {
      if (message.run_id === history.active_run && message.role === "assistant") continue;
      log.append(message.role === "user" ? userMessage(message.text) : restored(message));
    }
    if (history.active_run) await answer(history.active_run);
  } catch (error) {
    greet();
    if (!gone(error)) throw error;
    session.forget();
  }
  log.scrollTop = log.scrollHeight;
}

function restored(message) {
  const reply = new Reply({ rate: rater(message.run_id), say });
  reply.badge.textContent = names.get(message.pack) ?? message.pack ?? "";
  reply.bubble.append(message.text);
  reply.cite(message.citations);
  reply.settle();
  reply.thumbs(message.feedback);
  return reply.node;
}

const rater = (run) => (rating, correction) =>
  kindly(() => session.ask(`v1/runs/${run}/feedback`, { method: "POST", body: { rating, correction } }));

/** Sends `words`; what could not be sent goes back into the box. */
async function say(words) {
  if (running || sending || !words.trim()) return;
  notice("");
  const message = userMessage(words);
  log.append(message);
  sending = true;
  const run = await kindly(() => post(words, id()));
  sending = false;
  if (run) {
    await kindly(() => answer(run));
  } else {
    message.remove();
    text.value ||= words;
  }
}

/** Whether a conversation is not there any more, or not this visitor's. */
const gone = (error) => error instanceof Refused && [403, 404].includes(error.response.status);

/** The same client_id again is the same run, so a lost answer does no harm. */
async function post(words, clientId, tries = 3) {
  try {
    const path = `v1/conversations/${await session.conversation()}/messages`;
    return (await session.ask(path, { method: "POST", body: { client_id: clientId, text: words } })).run_id;
  } catch (error) {
    if (gone(error) && tries) {
      session.forget();
    } else if (error instanceof Refused || !tries) {
      throw error;
    }
    await new Promise((wake) => setTimeout(wake, 500));
    return post(words, clientId, tries - 1);
  }
}

async function answer(run) {
  const reply = new Reply({ rate: rater(run), say });
  log.append(reply.node);
  busy(run);
  try {
    const open = (seen) =>
      session.api(`v1/runs/${run}/events`, { headers: seen ? { "Last-Event-ID": String(seen) } : {} });
    await follow(open, (event) => {
      const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
      reply.show(event, names);
      if (atEnd || event.type === "run") log.scrollTop = log.scrollHeight;
    });
  } catch (error) {
    reply.fail("The connection was lost.");
    throw error;
  } finally {
    busy(null);
  }
}

function busy(run) {
  running = run;
  stop.hidden = !run;
  send.disabled = Boolean(run);
  if (!run && [document.body, send, stop].includes(document.activeElement)) text.focus();
}

/** Does `work`, and says kindly when it fails. */
async function kindly(work) {
  try {
    return await work();
  } catch (error) {
    notice(await explain(error));
    return undefined;
  }
}

async function explain(error) {
  if (!(error instanceof Refused)) return "The server can't be reached just now. Please try again in a moment.";
  const wait = error.response.headers.get("Retry-After");
  if (error.response.status === 429) return `That was a little fast. Please try again in ${wait ?? "a few"} s.`;
  const body = await error.response.json().catch(() => null);
  const detail = body?.error;
  const why = detail?.problems?.map((problem) => problem.why).join("; ");
  return why || detail?.message || "Something went wrong on our side.";
}

function notice(words) {
  $("notice").textContent = words;
  $("notice").hidden = !words;
}

async function watchTunings() {
  let pause = 15000;
  try {
    const { tunings } = await session.ask("v1/tunings");
    const under = tunings.filter((tuning) => !tuning.finished);
    if ($("banner").hidden === under.length > 0) await loadPacks();
    $("banner").hidden = !under.length;
    if (under.length) {
      showTuning(under[0]);
      pause = 2000;
    }
  } catch {
    // The next look may succeed; the chat itself says when the server is gone.
  }
  setTimeout(watchTunings, pause);
}

function showTuning({ pack, phase, step, steps, eta_seconds: eta }) {
  const left = eta ? `, about ${eta < 90 ? `${Math.round(eta)} s` : `${Math.round(eta / 60)} min`} left` : "";
  $("banner-text").textContent = `“${titles.get(pack) ?? pack}” is still learning (${phase}${left}). Answers get better afterwards.`;
  $("banner-progress").value = steps ? step / steps : 0;
}

function showSignIn() {
  const signedIn = session.signedIn();
  $("sign-in").textContent = signedIn ? "Sign out" : "Sign in as demo customer";
  $("sign-in").setAttribute("aria-pressed", String(signedIn));
}

async function toggleSignIn() {
  if (session.signedIn()) {
    session.signOut();
    await session.visit();
    greet();
  } else {
    await session.signIn();
  }
  showSignIn();
}

function id() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (running || sending) return;
  const words = text.value;
  text.value = "";
  say(words);
});
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) stop.click();
});
stop.addEventListener("click", () => running && kindly(() => session.ask(`v1/runs/${running}`, { method: "DELETE" })));
$("sign-in").addEventListener("click", () => kindly(toggleSignIn));
$("fresh").addEventListener("click", () => {
  if (running) return;
  session.forget();
  notice("");
  greet();
});
kindly(start);
