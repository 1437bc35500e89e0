// What HTML alone can't do: keys for reviewing, Enter sends, the newest message in sight, the theme.
"use strict";

const typing = (element) => element?.matches?.("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.key === "Enter" && field.matches?.("textarea[data-send]") && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    field.form.requestSubmit();
  } else if (event.key === "Enter" && field.matches?.("textarea[data-submit]") && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    field.form.requestSubmit();
  } else if (event.key === "Escape" && typing(field)) {
    field.blur();
  } else if (!typing(field) && !event.ctrlKey && !event.metaKey && !event.altKey && /^[a-z]$/.test(event.key)) {
    press(event);
  }
});

function press(event) {
  const found = document.querySelector(`[data-key="${event.key}"]`);
  if (!found || found.disabled) return;
  event.preventDefault();
  if (found.matches("summary")) {
    found.parentElement.open = true;
    const first = found.parentElement.querySelector("[data-first]");
    first?.focus();
  } else {
    found.click();
  }
}

// The thread stays where the reader is, or follows the newest message.
let atEnd = true;
const near = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 80;
const thread = () => document.getElementById("thread");
const toEnd = () => {
  const box = thread();
  if (box) box.scrollTop = box.scrollHeight;
};
let unfolded = false;
document.addEventListener("htmx:beforeSwap", () => {
  const box = thread();
  atEnd = !box || near(box);
  unfolded = Boolean(box?.querySelector("details.about")?.open);
});
document.addEventListener("htmx:afterSwap", (event) => {
  const about = thread()?.querySelector("details.about");
  if (about && unfolded) about.open = true;
  if (atEnd) toEnd();
  const say = document.getElementById("say");
  if (event.target.id === "conversation" && say) say.focus();
  // Somebody else took it over, or gave it back: the form below is of another time.
  const now = thread()?.querySelector(".poll")?.dataset.state;
  if (event.target.id === "thread" && state !== undefined && now !== state) location.reload();
  state = now;
});
let state = document.querySelector("#thread .poll")?.dataset.state;
addEventListener("load", toEnd);
toEnd();

// A change that went well takes the notice of the one before away.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.requestConfig.verb !== "get") document.getElementById("notice").replaceChildren();
});

for (const button of document.querySelectorAll("[data-theme-choice]")) {
  button.addEventListener("click", () => {
    const choice = button.dataset.themeChoice;
    document.documentElement.dataset.theme = choice;
    document.cookie = `senmon_console_theme=${choice}; path=/console; max-age=31536000; samesite=lax`;
    for (const other of document.querySelectorAll("[data-theme-choice]"))
      other.setAttribute("aria-pressed", String(other === button));
  });
}

// On a wide window the menu is always open.
const wide = matchMedia("(min-width: 821px)");
const drawer = document.querySelector(".drawer");
const fit = () => {
  if (drawer) drawer.open = wide.matches;
};
wide.addEventListener("change", fit);
fit();

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.confirm)) event.preventDefault();
  });
}
