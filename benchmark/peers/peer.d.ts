// What a file of this folder exports: one way of keeping sessions, told in the benchmark's terms.

export interface Peer {
  /** How the tables call it. */
  label: string;
  open(url: string): Promise<Sessions>;
}

/** A handle opens a session again: a token, a key or an id, as the peer would have it. */
export interface Sessions {
  create(session: {
    app: string;
    ownerId: string;
    data: Record<string, unknown>;
    duration: number;
  }): Promise<string>;
  get(handle: string): Promise<{ ownerId: string; data: Record<string, unknown> } | undefined>;

  // What a peer does not offer is left out, and "—" in the tables. These resolve to `false` or 0
  // where there was no such session, and to `undefined` where the peer does not tell.

  /** Merges at the top level and keeps the expiry. */
  update?(handle: string, data: Record<string, unknown>): Promise<unknown>;
  /** Gives the session so many seconds from now. */
  refresh?(handle: string, duration: number): Promise<unknown>;
  kill?(handle: string): Promise<unknown>;
}
