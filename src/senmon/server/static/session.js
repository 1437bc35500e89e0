// The visitor's token and conversation, kept for this tab; all calls to the API go through `api`.

import { Refused } from "./sse.js";

const store = window.sessionStorage;
const KEYS = ["token", "conversation", "customer"];

export const limits = { demo: false };

/** fetch with the visitor's token; a token that expired is renewed once. */
export async function api(path, { method = "GET", body, headers = {}, again = true } = {}) {
  if (!store.getItem("token")) await visit();
  const response = await fetch(path, {
    method,
    headers: {
      ...headers,
      Authorization: `Bearer ${store.getItem("token")}`,
      ...(body ? { "Content-Type": "application/json" } : {}),
    },
    body: body ? JSON.stringify(body) : undefined,
  });
  if (response.status === 401 && again) {
    await visit();
    return api(path, { method, body, headers, again: false });
  }
  return response;
}

/** `api`, and the JSON of the answer. Throws Refused. */
export async function ask(path, options) {
  const response = await api(path, options);
  if (!response.ok) throw new Refused(response);
  return response.json();
}

/** A token for this visitor, who may be a customer. */
export async function visit() {
  const known = store.getItem("token");
  const customer = store.getItem("customer");
  const response = await fetch("v1/visitors", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(known ? { Authorization: `Bearer ${known}` } : {}) },
    body: JSON.stringify(customer ? { customer } : {}),
  });
  if (response.status === 401 && customer) {
    signOut();
    return visit();
  }
  if (!response.ok) throw new Refused(response);
  const given = await response.json();
  store.setItem("token", given.token);
  limits.demo = given.demo;
  return given;
}

export async function conversation() {
  if (!store.getItem("conversation")) {
    const made = await ask("v1/conversations", { method: "POST" });
    store.setItem("conversation", made.conversation_id);
  }
  return store.getItem("conversation");
}

export const current = () => store.getItem("conversation");
export const forget = () => store.removeItem("conversation");
export const signedIn = () => Boolean(store.getItem("customer"));

export async function signIn() {
  const given = await ask("v1/demo/customer", { method: "POST", body: {} });
  store.setItem("customer", given.customer_token);
  await visit();
}

/** Forgets everything: the next visitor of this tab is somebody else. */
export function signOut() {
  for (const key of KEYS) store.removeItem(key);
}
