// The words of the widget. English is built in; the other languages are files of their own, loaded when needed.

import en from "../locales/en.json";
import ar from "../locales/ar.json?url";
import ja from "../locales/ja.json?url";

export type Words = Record<keyof typeof en, string>;
export type Key = keyof typeof en;

const FILES = new Map<string, string>([
  ["ja", ja],
  ["ar", ar],
]);
const RIGHT_TO_LEFT = /^(?:ar|he|fa|ur|ps|sd|ug|yi|dv|ckb)\b/;

/** Words that the page brought itself, by language. */
const own = new Map<string, Partial<Words>>();
const loaded = new Map<string, Partial<Words>>();

export function bring(language: string, words: Partial<Words>): void {
  own.set(short(language), words);
}

const short = (language: string): string => language.trim().toLowerCase().split(/[-_]/)[0] ?? "";

export class Translator {
  private words: Partial<Words> = en;

  constructor(public language = "en") {}

  get direction(): "rtl" | "ltr" {
    return RIGHT_TO_LEFT.test(this.language) ? "rtl" : "ltr";
  }

  /** The first of the wanted languages that there are words for. */
  async use(wanted: (string | null | undefined)[]): Promise<void> {
    for (const language of wanted.filter(Boolean).map((name) => short(name!))) {
      if (language === "en" || own.has(language) || FILES.has(language)) {
        this.words = { ...(await fetched(language)), ...own.get(language) };
        this.language = language;
        return;
      }
    }
  }

  /** The phrase, with `{name}` filled in; English where a translation lacks it. */
  readonly t = (key: Key, values: Record<string, string | number> = {}): string => {
    const phrase = this.words[key] ?? en[key];
    return phrase.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
  };
}

async function fetched(language: string): Promise<Partial<Words>> {
  const address = FILES.get(language);
  if (!address) return {};
  if (!loaded.has(language)) {
    try {
      const response = await fetch(new URL(address, import.meta.url), { credentials: "omit" });
      if (response.ok) loaded.set(language, (await response.json()) as Partial<Words>);
    } catch {
      // Without its file the widget speaks English.
    }
  }
  return loaded.get(language) ?? {};
}
