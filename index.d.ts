/// <reference types="node" />

import { EventEmitter } from 'node:events';
import type { Cluster, Redis, RedisOptions } from 'ioredis';

export type {
  /** Commands of {@link SpotsSessions.client} that are sent together. */
  ChainableCommander,
  /** The type of {@link SpotsSessions.client} on a Redis Cluster. */
  Cluster,
  /** What {@link SessionsClient} is, and what its `duplicate` gives. */
  Redis,
} from 'ioredis';

/** How the bytes of a token become text. Others of Node's encodings lose bits and are refused. */
export type TokenEncoding = 'base64' | 'base64url' | 'hex' | 'latin1' | 'binary';

/** A TLS client's settings, in the terms of Node's `tls.connect`; every text is PEM. */
export interface TlsOptions {
  /**
   * The certificates to trust, instead of those that Node trusts: of authorities, or the server's own if
   * it is signed by itself.
   *
   * @default what Node trusts, `NODE_EXTRA_CA_CERTS` included, and from Node 22.15 on
   * `--use-system-ca`. Not `--use-openssl-ca` and its `SSL_CERT_FILE`, as Node does not tell that list:
   * give `ca` then
   */
  ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /** The client's certificate chain, for servers that ask for one. Needs `key`. */
  cert?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /** The client's private key: RSA of 2048 bits or more, ECDSA P-256 or P-384, or Ed25519. Needs `cert`. */
  key?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /**
   * The name that the server's certificate must bear, in its alternative names or, if it has no DNS name
   * there, as its common name; also sent to the server (SNI).
   *
   * @default the host
   */
  servername?: string | undefined;
  /**
   * Whether the server's certificate must be valid. `false` lets anybody between you and the
   * server read and change all sessions.
   *
   * @default true, unless `NODE_TLS_REJECT_UNAUTHORIZED=0`
   */
  rejectUnauthorized?: boolean | undefined;
}

/** A node of a cluster, or a sentinel: `'host:port'`, or a port of this machine, does as well. */
export type NodeAddress =
  | string
  | number
  | {
      /**
       * Its name or IP address.
       *
       * @default 'localhost'
       */
      host?: string | undefined;
      /**
       * 1 to 65535.
       *
       * @default 6379 of a cluster's node, 26379 of a sentinel
       */
      port?: number | string | undefined;
    };

/**
 * Where the Redis server is, field by field, as ioredis takes it: one server, a cluster, or a server
 * that sentinels know. Numbers may be text, as in the environment.
 */
export interface ServerAddress {
  /**
   * The name or the IP address of the server.
   *
   * @default 'localhost'
   */
  host?: string | undefined;
  /**
   * The port of the server, 1 to 65535.
   *
   * @default 6379
   */
  port?: number | string | undefined;
  /** The path of a Unix socket, instead of `host` and `port`. */
  path?: string | undefined;
  /**
   * The number of the database.
   *
   * @default 0
   */
  db?: number | string | undefined;
  /** The ACL user. Needs `password`: without one nobody logs in. */
  username?: string | undefined;
  /** The password of `username`, or of the default user. No error and no log repeats it. */
  password?: string | undefined;
  /**
   * 4 or 6 to use IP addresses of that family alone.
   *
   * @default 0: either
   */
  family?: 0 | 4 | 6 | '0' | '4' | '6' | 'IPv4' | 'IPv6' | undefined;
  /** `true` or settings for TLS; `rediss://` alone does as well as `true`. */
  tls?: boolean | TlsOptions | undefined;
  /**
   * Nodes of a Redis Cluster, instead of `host` and `port`: one that answers is enough, the others
   * are found. A node without a port has 6379. A cluster has no `db` but 0.
   *
   * @example
   * new SpotsSessions({ cluster: [{ host: 'node-1', port: 6379 }, 'node-2:6379'] });
   */
  cluster?: readonly NodeAddress[] | undefined;
  /**
   * Sentinels, instead of `host` and `port`: they know which server is the primary. One without a
   * port has 26379. Needs `name`; all other fields are about the server.
   *
   * @example
   * new SpotsSessions({ sentinels: ['sentinel-1', 'sentinel-2', 'sentinel-3'], name: 'mymaster' });
   */
  sentinels?: readonly NodeAddress[] | undefined;
  /** The primary's name, as the sentinels know it. */
  name?: string | undefined;
  /** The ACL user on the sentinels. Needs `sentinelPassword`. */
  sentinelUsername?: string | undefined;
  /** The password on the sentinels, which may differ from that of the servers. */
  sentinelPassword?: string | undefined;
  /**
   * `true`, for the settings of `tls`, or settings of its own for TLS to the sentinels. In a URL,
   * `rediss-sentinel://` asks for TLS to the servers and to the sentinels.
   *
   * @default false: `tls` is about the servers alone, as in ioredis
   */
  sentinelTLS?: boolean | TlsOptions | undefined;
  /** May be left out: `tls` is always used. ioredis wants `true`, and uses no `tls` without it. */
  enableTLSForSentinelMode?: boolean | undefined;
}

/** The type of an option of ioredis; what has a number, true or false may have its text. */
type IoredisOption<Name extends keyof RedisOptions> =
  | RedisOptions[Name]
  | (Extract<RedisOptions[Name], number | boolean> extends never ? never : string)
  | undefined;

/**
 * Options of ioredis for {@link SpotsSessions.client}, with its defaults. The six methods have a
 * connection of their own, which these do not concern, but for `showFriendlyErrorStack`.
 */
export interface ClientOptions {
  /** Whether commands that a lost connection left unanswered are sent again on the next one. */
  autoResendUnfulfilledCommands?: IoredisOption<'autoResendUnfulfilledCommands'>;
  /** Whether channels are subscribed to again after a reconnection. */
  autoResubscribe?: IoredisOption<'autoResubscribe'>;
  /** Milliseconds that a blocking command, such as `BLPOP`, may take beyond its own time. */
  blockingTimeout?: IoredisOption<'blockingTimeout'>;
  /** Milliseconds more for `blockingTimeout`. */
  blockingTimeoutGrace?: IoredisOption<'blockingTimeoutGrace'>;
  /** What `CLIENT SETINFO` adds to the name of the library. */
  clientInfoTag?: IoredisOption<'clientInfoTag'>;
  /** The name of the connection in `CLIENT LIST`. */
  connectionName?: IoredisOption<'connectionName'>;
  /** Whether to leave `CLIENT SETINFO` out. */
  disableClientInfo?: IoredisOption<'disableClientInfo'>;
  /** Milliseconds that `disconnect` waits for the connection to end. */
  disconnectTimeout?: IoredisOption<'disconnectTimeout'>;
  /** Whether commands of one turn of the event loop are sent as one pipeline. */
  enableAutoPipelining?: IoredisOption<'enableAutoPipelining'>;
  /** Whether commands wait for a connection; else they are rejected. */
  enableOfflineQueue?: IoredisOption<'enableOfflineQueue'>;
  /** Whether to wait, once connected, until the server has loaded its data. */
  enableReadyCheck?: IoredisOption<'enableReadyCheck'>;
  /** Milliseconds of silence after which TCP asks whether the server is there. */
  keepAlive?: IoredisOption<'keepAlive'>;
  /** Whether to connect with the first command only, instead of when `client` is first asked for. */
  lazyConnect?: IoredisOption<'lazyConnect'>;
  /** Milliseconds to wait for a server that loads its data, before it is asked again. */
  maxLoadingRetryTime?: IoredisOption<'maxLoadingRetryTime'>;
  /** How often to reconnect before waiting commands are rejected; `null`: without end. */
  maxRetriesPerRequest?: IoredisOption<'maxRetriesPerRequest'>;
  /** Whether the connection shows what the server carries out: `MONITOR`. */
  monitor?: IoredisOption<'monitor'>;
  /** Whether to turn Nagle's algorithm off. */
  noDelay?: IoredisOption<'noDelay'>;
  /** The version of the Redis protocol: 2 or 3. */
  protocol?: 2 | 3 | string | undefined;
  /** Whether to read from replicas of a cluster: `READONLY`. */
  readOnly?: IoredisOption<'readOnly'>;
  /** Says of an error of the server whether to reconnect for it. */
  reconnectOnError?: ((error: Error) => boolean | 1 | 2) | null | undefined;
  /** Milliseconds to wait before an attempt to reconnect, by its number; no number: it gives up. */
  // biome-ignore lint/suspicious/noConfusingVoidType: ioredis takes a function that returns nothing
  retryStrategy?: ((times: number) => number | void | null) | null | undefined;
  /**
   * Whether the stack of an error shows who made the call, of the six methods too. Meant for
   * development: each call takes a stack of its own.
   *
   * @default false
   */
  showFriendlyErrorStack?: IoredisOption<'showFriendlyErrorStack'>;
  /** Milliseconds without a byte from the server after which the connection is replaced. */
  socketTimeout?: IoredisOption<'socketTimeout'>;
  /** Whether numbers of the server become strings. */
  stringNumbers?: IoredisOption<'stringNumbers'>;
}

/** How long things may take, and how large they may be. Each may be text, as in the environment, or in a URL's query. */
export interface Timeouts {
  /**
   * Milliseconds within which every call settles, connecting and repeating included: 1 to 2³¹ − 1.
   * The default is less than the 5 seconds that Jest and Vitest give a test.
   * While a long reply is coming, at 64 KiB a second or more, ten times as long.
   *
   * @default 4000
   */
  commandTimeout?: number | string | undefined;
  /**
   * Milliseconds that an attempt to connect may take: 1 to 2³¹ − 1.
   *
   * @default 10000
   */
  connectTimeout?: number | string | undefined;
  /**
   * Bytes of JSON that `data` of one `create` or `update` may have: 1024 to 268435456 (256 MiB). More is a `RangeError`.
   * Updates may take a session's data to twice that; then an `update` that would make it larger rejects with
   * `ERR_SESSIONS_TOO_LARGE`. A session store is no file storage: other users' calls wait for a large session.
   *
   * @default 1048576, which is 1 MiB
   */
  maxDataSize?: number | string | undefined;
}

/** A connection string, a port of this machine, or a URL. */
export type ConnectionString = string | number | URL;

/** Options of {@link SpotsSessions}. All may be left out. */
export interface SpotsSessionsOptions extends ServerAddress, ClientOptions, Timeouts {
  /**
   * Where the sessions are kept: `redis://[[user]:password@]host[:port][/db]`, `rediss://…` for
   * TLS, `unix:///path/to/redis.sock`, `redis-sentinel://host,host?name=mymaster`,
   * `redis-cluster://host,host`, or `memory:` to keep them inside this process, for tests and
   * development. A number is a port of this machine. Of a query, `connectTimeout`,
   * `commandTimeout`, `maxDataSize` and ioredis' options are read; other options of this package are refused there, and other names
   * ignored, as ioredis does.
   *
   * An empty string is an error; `undefined` is the default.
   *
   * @default 'redis://localhost:6379'
   */
  // A URL fits the object: named beside it, its properties would be the first that an editor offers.
  connectionString?: string | number | (ServerAddress & ClientOptions & Timeouts) | undefined;
  /**
   * How tokens are written. `base64` tokens have `+`, `/` and `=`, which URLs and cookies must
   * escape; `base64url` and `hex` need no escaping.
   *
   * @default 'base64'
   */
  tokenEncoding?: TokenEncoding | undefined;
  /**
   * Bytes of a new token, 32 to 1024. All but the first 16 are random: 32 leave 128 bits, as the OWASP Session
   * Management Cheat Sheet asks of a session id.
   *
   * @default 128
   */
  tokenSize?: number | undefined;
  /**
   * Seconds that a session lives when `create` is not told: any positive number, or `Infinity`.
   *
   * @default 86400, which is a day
   */
  defaultDuration?: number | undefined;
  /**
   * Calls that may be pending at once, 1 or more. One more is rejected with
   * `ERR_SESSIONS_OVERLOADED`, so that an outage cannot fill the memory.
   *
   * @default 100000
   */
  maxPending?: number | undefined;
  /**
   * Where `get` reads: with `'replica'`, from a replica where there is one, behind Sentinel and on a
   * Cluster only. What it reads may then be out of date by the replica's lag, so that a session which
   * another process has just killed or updated may be seen as it was. Never so for 10 seconds after a
   * call of this instance has changed a session of the same owner, and never for "no such session",
   * which the primary is always asked about.
   *
   * @default 'primary'
   */
  readFrom?: 'primary' | 'replica' | undefined;
}

/**
 * The name of an app or an owner: 1 to 4096 characters, any of them. A finite number stands for its
 * digits.
 */
export type Name = string | number | bigint;

/** What {@link SpotsSessions.create} takes. `ttl`, `maxAge`, `expiresIn` and `expires` are refused. */
export type CreateRequest<Data extends object = Record<string, any>> = {
  /** The app that the session belongs to. Sessions of one app do not exist for another. */
  app: Name;
  /** Whom the session belongs to. */
  ownerId: Name;
  /**
   * Seconds that the session lives, kept to the millisecond; `Infinity`: until it is killed.
   *
   * @default the option `defaultDuration`
   */
  duration?: number | undefined;
} & (Partial<Data> extends Data ? OptionalData<Data> : OptionalData<Data> & { data: Data });

interface OptionalData<Data extends object> {
  /**
   * Anything that JSON writes as an object, up to the option `maxDataSize`. `get` gives back what JSON
   * makes of it.
   *
   * @default {}
   */
  data?: Data | undefined;
}

/** What {@link SpotsSessions.get} takes. */
export interface GetRequest {
  /** The app that the session belongs to. A session of another app is not found. */
  app: Name;
  /**
   * The token that `create` gave, such as a cookie's value. `undefined` and `null` open no session, so
   * that a request without a cookie is no error.
   */
  token: string | undefined | null;
}

/** What {@link SpotsSessions.refresh} takes. */
export interface RefreshRequest extends GetRequest {
  /** Seconds that the session lives from now on; `Infinity`: until it is killed. */
  duration: number;
}

/** What {@link SpotsSessions.update} takes. */
export interface UpdateRequest<Data extends object = Record<string, any>> extends GetRequest {
  /** Keys to set; `null` deletes a key, `undefined` leaves it alone. */
  data: { [Key in keyof Data]?: Data[Key] | null | undefined };
}

/** What {@link SpotsSessions.kill} takes. */
export interface KillRequest extends GetRequest {}

/** What {@link SpotsSessions.killAll} takes. */
export interface KillAllRequest {
  /** The app whose sessions end; the owner's sessions of other apps stay. */
  app: Name;
  /** Whose sessions end. */
  ownerId: Name;
}

/** A session, as {@link SpotsSessions.get} gives it. */
export interface Session<Data extends object = Record<string, any>> {
  /** Whom it belongs to. A string, also if a number was given. */
  ownerId: string;
  /** What `create` was given and updates have made of it, as JSON writes and reads it. */
  data: Data;
}

/** The ioredis client of {@link SpotsSessions.client}, unless the class is told otherwise. */
export interface SessionsClient extends Redis {}

/**
 * What an instance tells of its connection, and the arguments of the listeners. Nobody has to listen.
 * An event keeps neither the process nor the instance alive, and none comes after `close`.
 */
export interface SpotsSessionsEvents {
  /**
   * It is connected and serves calls: at first, and again after one `reconnecting` or more; on a Cluster, for
   * each node.
   */
  ready: [];
  /**
   * A connection was lost, or an attempt to connect failed. It tries again at once, then with pauses
   * of up to a second as long as calls wait.
   */
  reconnecting: [reason: SpotsSessionsError];
  /**
   * An attempt to connect failed: why. It goes on trying; `reconnecting` follows. Unlike other
   * emitters', this error is not thrown where nobody listens for it.
   */
  error: [error: SpotsSessionsError];
}

/**
 * A message of Node's `diagnostics_channel.tracingChannel('spots-sessions:call')`: one object for each
 * call, in all of `start`, `end`, `asyncStart`, `asyncEnd` and, if it is rejected, `error`.
 */
export interface TracedCall {
  /** The method that was called. */
  readonly method: 'create' | 'get' | 'refresh' | 'update' | 'kill' | 'killAll' | 'ping';
  /** The app of the call. Left out if the call was rejected for it. */
  readonly app?: string;
  /** Milliseconds from the call to its end; there from `asyncStart` and `error` on. */
  readonly duration?: number;
  /** What the call is rejected with. */
  readonly error?: unknown;
}

/**
 * Users' sessions in Redis.
 *
 * A wrong argument rejects with a `TypeError` or `RangeError` that names it; a call that the server
 * could not carry out rejects with a {@link SpotsSessionsError}. A session that is not there is no
 * error: methods resolve to `undefined` or `false`. An instance without pending calls does not keep
 * the process alive. Make one for each process, not one for each request.
 *
 * It is a named export, of modules too: `import { SpotsSessions } from '@spots-tech/sessions'`.
 *
 * @typeParam Data the type of `data`
 * @typeParam Client the type of `client`: `Cluster` on a Redis Cluster
 *
 * @example
 * const sessions = new SpotsSessions('redis://localhost:6379');
 * const token = await sessions.create({ app: 'shop', ownerId: '42', data: { name: 'Ada' } });
 * const session = await sessions.get({ app: 'shop', token });
 * if (session) console.log(session.ownerId, session.data.name); // 42 Ada
 */
export class SpotsSessions<
  Data extends object = Record<string, any>,
  Client extends Redis | Cluster = SessionsClient,
> extends EventEmitter {
  /**
   * Returns at once and connects in the background.
   *
   * @param options all may be left out
   * @throws {Error} `failed to instantiate IORedis client: …`, with the reason, which is the `cause` too
   *
   * @example
   * new SpotsSessions({ connectionString: 'memory:', tokenEncoding: 'base64url', tokenSize: 32 });
   */
  constructor(options?: SpotsSessionsOptions);
  /**
   * Returns at once and connects in the background.
   *
   * @param connectionString where the sessions are kept; left out, `redis://localhost:6379`
   * @throws {Error} `failed to instantiate IORedis client: …`, with the reason, which is the `cause` too
   *
   * @example
   * new SpotsSessions(); // localhost:6379
   * new SpotsSessions(process.env.REDIS_URL); // localhost:6379 if it is not set, an error if it is empty
   * new SpotsSessions('rediss://user:password@redis.example.com/2');
   */
  constructor(connectionString?: ConnectionString);
  /**
   * Returns at once and connects in the background.
   *
   * @param either options or a connection string
   * @throws {Error} `failed to instantiate IORedis client: …`, with the reason, which is the `cause` too
   */
  constructor(either?: ConnectionString | SpotsSessionsOptions);

  /**
   * Creates a session and resolves to its token, which opens it: keep it as you would a password.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a bad argument
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `duration` is not positive, or a name is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const token = await sessions.create({
   *   app: 'shop', ownerId: '42', data: { name: 'Ada' }, duration: 3600,
   * });
   */
  create(request: CreateRequest<Data>): Promise<string>;

  /**
   * Resolves to the session that a token opens, or to `undefined` if there is none.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a bad argument
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `app` is too long
   * @throws {SpotsSessionsError} an outage, which is never `undefined`, or a refusal: `code` says which. A
   *   text that cannot be a token of ours is `undefined` without asking a server
   *
   * @example
   * const session = await sessions.get({ app: 'shop', token: request.cookies.sid });
   * if (!session) return response.writeHead(401).end();
   */
  get(request: GetRequest): Promise<Session<Data> | undefined>;

  /**
   * Gives a session a new time to live, from now. Resolves to whether there was one.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a bad argument
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `duration` is not positive, or `app` is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const alive = await sessions.refresh({ app: 'shop', token, duration: 3600 });
   */
  refresh(request: RefreshRequest): Promise<boolean>;

  /**
   * Merges `data` into a session's data, key by key at the top level; the expiry stays. Parallel
   * updates all take effect. Resolves to whether there was such a session. `data` cannot be left out.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a bad argument
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `app` is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * // Sets age, deletes name, leaves every other key as it is.
   * const updated = await sessions.update({ app: 'shop', token, data: { age: 36, name: null } });
   */
  update(request: UpdateRequest<Data>): Promise<boolean>;

  /**
   * Ends a session. Resolves to whether there was one.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a bad argument
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `app` is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const killed = await sessions.kill({ app: 'shop', token });
   */
  kill(request: KillRequest): Promise<boolean>;

  /**
   * Ends all sessions of an owner in an app. Resolves to whether there were any. A token that
   * `create` gave away before never opens anything again.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a bad argument
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: a name is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const killed = await sessions.killAll({ app: 'shop', ownerId: '42' });
   */
  killAll(request: KillAllRequest): Promise<boolean>;

  /**
   * Resolves when Redis has answered: the server, the primary behind Sentinel, or each primary of a Cluster. Rejects as
   * any call does, within `commandTimeout`. For readiness probes: an unknown token opens nothing even during an outage,
   * so a `get` proves little.
   *
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * app.get('/ready', async (req, res) => {
   *   await sessions.ping().then(() => res.sendStatus(200), () => res.sendStatus(503));
   * });
   */
  ping(): Promise<void>;

  /**
   * An ioredis client on the same server and database, with the same credentials. It is created,
   * and begins to connect, when it is first asked for; `close` disconnects it. It can be assigned,
   * as tests do; the six methods never use it.
   *
   * On a Redis Cluster it is ioredis' `Cluster`. Its commands are those of `Redis`, and so is its
   * type, unless the class is told otherwise: `new SpotsSessions<Data, Cluster>('redis-cluster://…')`.
   *
   * @throws {TypeError} on `memory:`, where there is no server
   * @throws {SpotsSessionsError} `ERR_SESSIONS_CLOSED` when it is first asked for after `close`
   *
   * @example
   * await sessions.client.set('my-app:motd', 'hello');
   */
  client: Client;

  /**
   * Listens for an event; the other methods of Node's `EventEmitter` are there as well.
   *
   * @example
   * sessions.on('error', (error) => console.error('sessions:', error.message));
   */
  on<Name extends keyof SpotsSessionsEvents>(event: Name, listener: Listener<Name>): this;
  /** Listens for an event once. */
  once<Name extends keyof SpotsSessionsEvents>(event: Name, listener: Listener<Name>): this;
  /** No longer calls a listener. */
  off<Name extends keyof SpotsSessionsEvents>(event: Name, listener: Listener<Name>): this;
  /** The same as `on`. */
  addListener<Name extends keyof SpotsSessionsEvents>(event: Name, listener: Listener<Name>): this;
  /** The same as `off`. */
  removeListener<Name extends keyof SpotsSessionsEvents>(
    event: Name,
    listener: Listener<Name>,
  ): this;

  /**
   * Takes no more calls, and resolves when those pending have settled. A call made later rejects
   * with `ERR_SESSIONS_CLOSED`. To close twice is fine.
   *
   * @example
   * process.once('SIGTERM', async () => {
   *   await sessions.close();
   *   process.kill(process.pid, 'SIGTERM'); // nobody listens any more, so this ends it
   * });
   */
  close(): Promise<void>;

  /**
   * The same as {@link SpotsSessions.close}.
   *
   * @example
   * await using sessions = new SpotsSessions();
   */
  [Symbol.asyncDispose](): Promise<void>;
}

type Listener<Name extends keyof SpotsSessionsEvents> = (
  ...about: SpotsSessionsEvents[Name]
) => void;

/**
 * Why the server did not carry out a call. No field holds a token, a password or data.
 *
 * - `ERR_SESSIONS_CONNECTION`: no server could be reached in time; nothing was done.
 * - `ERR_SESSIONS_TIMEOUT`: the call was sent, and no answer of the server came in time; it may or may
 *   not have acted.
 * - `ERR_SESSIONS_REDIS`: the server refused; `redisCode` says why.
 * - `ERR_SESSIONS_CORRUPT`: what lies under the session's key, or its owner's index, was not written
 *   by this package.
 * - `ERR_SESSIONS_TOO_LARGE`: an update would let the data grow beyond twice `maxDataSize`; nothing was done.
 * - `ERR_SESSIONS_OVERLOADED`: `maxPending` calls are pending already, or the process has no memory for
 *   what the call sends or reads; nothing was done.
 * - `ERR_SESSIONS_CLOSED`: the instance was closed; nothing was done.
 * - `ERR_SESSIONS_INTERNAL`: a bug of this package; the call may or may not have acted.
 *
 * @example
 * try {
 *   await sessions.get({ app: 'shop', token });
 * } catch (error) {
 *   if (error instanceof SpotsSessionsError) response.writeHead(503).end(error.code);
 * }
 */
export class SpotsSessionsError extends Error {
  private constructor();
  /** The name of the class, as the stack begins with it. */
  readonly name: 'SpotsSessionsError';
  /** What went wrong: {@link SpotsSessionsError} lists what each code means. */
  readonly code:
    | 'ERR_SESSIONS_CONNECTION'
    | 'ERR_SESSIONS_TIMEOUT'
    | 'ERR_SESSIONS_REDIS'
    | 'ERR_SESSIONS_CORRUPT'
    | 'ERR_SESSIONS_TOO_LARGE'
    | 'ERR_SESSIONS_OVERLOADED'
    | 'ERR_SESSIONS_CLOSED'
    | 'ERR_SESSIONS_INTERNAL';
  /** The code of the server's own error: `OOM`, `WRONGPASS`, `NOPERM`, …, or `ERR` if it has none. */
  readonly redisCode?: string;
}
