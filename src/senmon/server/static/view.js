// What a message looks like. Text is only ever set as text.

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

export function chip(text, onclick) {
  return element("button", { type: "button", class: "chip", onclick }, text);
}

export function userMessage(text) {
  return element("div", { class: "message user" }, hidden("You: "), element("div", { class: "bubble" }, text));
}

const hidden = (text) => element("span", { class: "hidden" }, text);

/** A reply that grows. `rate(rating, correction)` and `say(text)` are what its buttons do. */
export class Reply {
  constructor({ rate, say }) {
    this.rate = rate;
    this.say = say;
    this.badge = element("span", { class: "badge" });
    this.doing = element("div");
    this.bubble = element("div", { class: "bubble" });
    this.sources = element("p", { class: "sources", hidden: "" });
    this.under = element("div", { class: "under" });
    // Busy while it grows, so that a screen reader reads it once, whole.
    this.node = element("article", { class: "message assistant waiting", "aria-busy": "true" });
    this.node.append(this.badge, this.doing, this.bubble, this.sources, this.under);
  }

  show(event, names) {
    const data = event.data;
    if (event.type === "route") this.badge.textContent = data.pack ? names.get(data.pack) ?? data.pack : "";
    if (event.type === "passages") this.cite(data.items);
    if (event.type === "action") this.act(data);
    if (event.type === "delta") this.bubble.append(data.text);
    if (event.type === "handoff") this.note("A person will take over.");
    if (event.type === "done") this.finish(data.finish_reason === "cancelled" ? "Stopped." : "");
    if (event.type === "error") this.fail(data.message);
  }

  act(data) {
    if (data.status === "started") {
      this.step = element("p", { class: "doing now" }, data.label || "working on it");
      this.doing.append(this.step);
      return;
    }
    this.step?.classList.remove("now");
    if (data.status !== "finished") this.step?.append(" – it did not work");
    for (const button of data.buttons ?? []) {
      this.under.append(chip(button.title, () => this.say(button.payload ?? button.title)));
    }
  }

  cite(items) {
    if (!items.length) return;
    this.sources.hidden = false;
    this.sources.append("Sources: ");
    items.forEach((item, index) => this.sources.append(index ? ", " : "", source(item)));
  }

  note(text) {
    if (text) this.doing.append(element("p", { class: "doing" }, text));
  }

  finish(note) {
    this.settle();
    this.note(note);
    if (this.bubble.textContent) this.thumbs();
  }

  fail(message) {
    this.settle();
    this.note(`${message || "Something went wrong."} You can send your message again.`);
  }

  settle() {
    this.node.classList.remove("waiting");
    this.node.setAttribute("aria-busy", "false");
  }

  thumbs(rating) {
    const buttons = [
      ["up", "Helpful"],
      ["down", "Not helpful"],
    ].map(([kind, label]) => {
      const pressed = String(kind === rating);
      const onclick = () => this.choose(kind, buttons);
      return element(
        "button",
        { type: "button", class: "thumb", "aria-pressed": pressed, "data-rating": kind, onclick },
        label,
      );
    });
    this.under.append(...buttons);
  }

  async choose(kind, buttons) {
    await this.rate(kind, "");
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.rating === kind));
    this.form?.remove();
    if (kind === "down") this.under.append((this.form = this.correction()));
    this.form?.querySelector("input").focus();
  }

  correction() {
    const input = element("input", { type: "text", maxlength: "4000", "aria-label": "What should it have said?" });
    input.placeholder = "What should it have said?";
    const form = element("form", { class: "correction" }, input, element("button", { type: "submit", class: "plain" }, "Send"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      await this.rate("down", input.value.trim());
      form.replaceChildren(element("span", { class: "quiet", role: "status" }, "Thank you."));
    });
    return form;
  }
}

function source(item) {
  if (!/^https?:\/\//.test(item.url ?? "")) return item.title;
  return element("a", { href: item.url, target: "_blank", rel: "noopener noreferrer" }, item.title);
}
