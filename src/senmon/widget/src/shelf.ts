// What this browser keeps: ids and the refresh token, each under a key of its own. No text of any message.

const TOP = "senmon";

/** localStorage, or memory where there is none (private windows, frames without storage). */
export class Shelf {
  private memory = new Map<string, string>();

  constructor(private readonly prefix: string) {}

  get(key: string): string | null {
    const name = this.name(key);
    try {
      return localStorage.getItem(name) ?? this.memory.get(name) ?? null;
    } catch {
      return this.memory.get(name) ?? null;
    }
  }

  set(key: string, value: string | null): void {
    const name = this.name(key);
    try {
      if (value === null) localStorage.removeItem(name);
      else localStorage.setItem(name, value);
      this.memory.delete(name);
    } catch {
      if (value === null) this.memory.delete(name);
      else this.memory.set(name, value);
    }
  }

  private name(key: string): string {
    return `${TOP}:${this.prefix}:${key}`;
  }
}

/** JSON without the `toJSON` that some pages put on prototypes: it would spoil arrays and strings. */
export function encode(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => encode(item ?? null)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${encode(field)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
