/// <reference types="node" />

import { EventEmitter } from 'node:events';
import type { SpotsSessions } from './index.js';

/** What {@link SessionStoreOptions.ownerId} returns: an owner, or nobody (`undefined`, `null` or `''`). */
export type SessionOwner = string | number | bigint | null | undefined;

/** The options of {@link SessionStore}. */
export interface SessionStoreOptions<Data extends object = Record<string, any>> {
  /**
   * Where the sessions are kept. Its `prefix`, `lifetime`, `maxSessions` and `maxDataSize` hold for the sessions of the
   * store, too. Its `sliding` does not: the frameworks say when a session is used.
   */
  sessions: SpotsSessions<any, any>;
  /** The app of the sessions, as in the methods of `sessions`. Another app is another store. */
  app: string | number | bigint;
  /**
   * Whose a session is. From then on `list`, `kill` by id and `killAll` of `sessions` find it. It is called at the
   * end of each request with a session. If it throws, or returns anything else than a name or nobody, the request fails.
   *
   * @default nobody's. Without an owner, a session is found by its browser alone
   *
   * @example
   * new SessionStore({ sessions, app: 'shop', ownerId: (session) => session.passport?.user });
   */
  ownerId?: ((session: Data) => SessionOwner) | undefined;
  /**
   * Seconds that a session lives after its last use if its cookie has neither `maxAge` nor `expires`: any positive number,
   * or `Infinity`. A cookie that has one of them decides itself.
   *
   * @default `defaultDuration` of `sessions`, which is a day by default
   */
  duration?: number | undefined;
  /**
   * Seconds. If a use of a session would move its end by less than this, the store sends nothing. So a session may end up
   * to this much too early. 0: each use is sent. `Infinity`: no use moves the end, only a change of the cookie does.
   *
   * @default a tenth of the time to live
   */
  touchAfter?: number | undefined;
}

/**
 * A store for express-session and for `@fastify/session`.
 *
 * - A write sends only the keys that have changed since the session was loaded. So requests at the same time that change
 *   different keys do not undo each other's changes. An object inside a session is one value: the later one wins.
 * - A session that was destroyed, killed or has expired meanwhile stays gone. The event `gone` tells of such a write.
 * - An outage is an error of the request, with `status` 503. It never means a new, empty session.
 *
 * The methods from `get` to `clear` take a callback, as the frameworks call them, or return a promise if they get none. They
 * never throw.
 *
 * @typeParam Data what `ownerId` gets: the data of a session, with its `cookie`
 *
 * @example
 * import session from 'express-session';
 * const store = new SessionStore({ sessions, app: 'shop', ownerId: (session) => session.userId });
 * app.use(session({ store, secret, resave: false, saveUninitialized: false }));
 *
 * @example
 * import session from '@fastify/session';
 * app.register(session, { store: new SessionStore({ sessions, app: 'shop' }), secret });
 */
export class SessionStore<Data extends object = Record<string, any>> extends EventEmitter {
  /**
   * Opens no connection: it uses that of `sessions`, and never closes it.
   *
   * @throws {TypeError | RangeError} a wrong option; the message names it
   */
  constructor(options: SessionStoreOptions<Data>);

  /** Loads a session. There is none if `session` is `undefined`. */
  get(sid: string, callback: (error: any, session?: any) => void): void;
  get(sid: string): Promise<any>;

  /**
   * Writes a session: what has changed since it was loaded, or all of it if it was not. If its cookie has expired, the
   * session is destroyed.
   */
  set(sid: string, session: any, callback: (error?: any) => void): void;
  set(sid: string, session: any): Promise<void>;

  /** Lets a session live on, and writes its cookie if that has changed. Does nothing if there is no such session. */
  touch(sid: string, session: any, callback: (error?: any) => void): void;
  touch(sid: string, session: any): Promise<void>;

  /** Ends a session, if there is one. */
  destroy(sid: string, callback: (error?: any) => void): void;
  destroy(sid: string): Promise<void>;

  /**
   * Lists all sessions of the store, each with its public id as `id`, which opens nothing. On a server it scans all keys,
   * through `sessions.client`: it is for administration, not for requests.
   */
  all(callback: (error: any, sessions?: any[]) => void): void;
  all(): Promise<any[]>;

  /** Lists the public ids of all sessions, as {@link SessionStore.all} does. They open nothing. */
  ids(callback: (error: any, ids?: string[]) => void): void;
  ids(): Promise<string[]>;

  /** Counts all sessions, as {@link SessionStore.all} does. */
  length(callback: (error: any, length?: number) => void): void;
  length(): Promise<number>;

  /**
   * Ends all sessions that {@link SessionStore.all} finds: those of all stores in this app, and those that `migrate` has
   * moved, also from 1.x.
   */
  clear(callback: (error?: any) => void): void;
  clear(): Promise<void>;

  /**
   * express-session calls it: gives a request a new session, after its old one was destroyed. If that fails, the request keeps
   * the old one, and writes nothing more to it.
   */
  regenerate(request: any, callback: (error?: any) => any): void;
  /** Loads a session as express-session makes it, with its methods. */
  load(sid: string, callback: (error: any, session?: any) => any): void;
  /** express-session calls it: makes the session of a request from what was loaded. */
  createSession(request: any, session: any): any;
  /** express-session sets it: makes the new session of a request. */
  generate: (request: any) => void;

  /** A session was to be written that is gone: destroyed, killed or expired. It stays gone. `id` is its public id. */
  on(event: 'gone', listener: (id: string) => void): this;
  /**
   * A session that was loaded without an owner has got one and kept its id, at a login without `regenerate`. Whoever knew
   * the id before is logged in then (session fixation). It is told once.
   */
  on(
    event: 'warning',
    listener: (warning: Error & { code: 'SPOTS_SESSIONS_FIXATION' }) => void,
  ): this;
  on(event: string | symbol, listener: (...about: any[]) => void): this;
}
