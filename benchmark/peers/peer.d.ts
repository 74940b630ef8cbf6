// The interface of the files in this folder. Each adapts one way of storing sessions to the benchmark.

export interface Peer {
  /** The peer's name in the tables. */
  label: string;
  open(url: string): Promise<Sessions>;
}

/** A handle identifies a session: a token, a key or an id, depending on the peer. */
export interface Sessions {
  create(session: {
    app: string;
    ownerId: string;
    data: Record<string, unknown>;
    duration: number;
  }): Promise<string>;
  get(handle: string): Promise<{ ownerId: string; data: Record<string, unknown> } | undefined>;

  // A peer leaves out the operations that it does not have; the tables show "—" for them. The operations resolve to
  // `false` or 0 if there was no such session, and to `undefined` if the peer does not report it.

  /** Merges at the top level and keeps the expiry. */
  update?(handle: string, data: Record<string, unknown>): Promise<unknown>;
  /** Makes the session expire `duration` seconds from now. */
  refresh?(handle: string, duration: number): Promise<unknown>;
  kill?(handle: string): Promise<unknown>;
  /** Gives the session a new handle. */
  rotate?(handle: string): Promise<string | undefined>;
  /** All sessions of an owner, the newest first. */
  list?(ownerId: string): Promise<Listed[]>;
}

export interface Listed {
  data: Record<string, unknown>;
  createdAt: Date;
  expiresAt: Date;
}
