// Tabs of one site agree: one at a time renews the token, one watches, all hear what changed.
// Only ids are told: any script of the page could listen.

export interface News {
  kind: "run" | "changed" | "conversation" | "read" | "reset";
  conversation?: string | null;
}

export class Tabs {
  private channel: BroadcastChannel | null = null;

  constructor(
    private readonly name: string,
    private readonly hear: (news: News) => void,
  ) {}

  listen(): void {
    if (this.channel || typeof BroadcastChannel === "undefined") return;
    try {
      this.channel = new BroadcastChannel(`senmon:${this.name}`);
    } catch {
      // A frame that may not store anything: it is alone.
      return;
    }
    this.channel.onmessage = ({ data }) => {
      if (data && typeof data.kind === "string") this.hear(data as News);
    };
  }

  tell(kind: News["kind"], conversation?: string | null): void {
    this.channel?.postMessage({ kind, conversation: conversation ?? null });
  }

  /** Does `work` while no other tab does it; at once where the browser has no locks or refuses them. */
  async alone<T>(what: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (!navigator.locks) return work();
    let begun = false;
    const locked = (): Promise<T> => {
      begun = true;
      return work();
    };
    try {
      return (await navigator.locks.request(`senmon:${this.name}:${what}`, { signal }, locked)) as T;
    } catch (error) {
      if (begun || signal?.aborted) throw error;
      return work();
    }
  }

  close(): void {
    this.channel?.close();
    this.channel = null;
  }
}
