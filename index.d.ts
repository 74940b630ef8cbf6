/// <reference types="node" />

import { EventEmitter } from 'node:events';
import type { Cluster, Redis, RedisOptions } from 'ioredis';

export type {
  /** A pipeline of {@link SpotsSessions.client}: commands that are sent together. */
  ChainableCommander,
  /** The type of {@link SpotsSessions.client} on a Redis Cluster. */
  Cluster,
  /** The type that {@link SessionsClient} extends, and that its `duplicate` returns. */
  Redis,
} from 'ioredis';

/** How the bytes of a token become text. Node's other encodings lose bits, so they are refused. */
export type TokenEncoding = 'base64' | 'base64url' | 'hex' | 'latin1' | 'binary';

/** The settings of TLS, named as in Node's `tls.connect`. Certificates and keys are PEM. */
export interface TlsOptions {
  /**
   * The certificates to trust, instead of those that Node trusts: those of authorities, or the server's own certificate
   * if it is self-signed.
   *
   * @default the certificates that Node trusts. They include `NODE_EXTRA_CA_CERTS` and, from Node 22.15 on,
   * `--use-system-ca`. They do not include `--use-openssl-ca` and its `SSL_CERT_FILE`, because Node does not tell that
   * list: set `ca` then
   */
  ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /** The client's certificate chain, for servers that ask for one. Needs `key`. */
  cert?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /** The client's private key: RSA of 2048 bits or more, ECDSA P-256 or P-384, or Ed25519. Needs `cert`. */
  key?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /**
   * The name that the server's certificate must have: among its alternative names or, if there is no DNS name among
   * them, as its common name. The name is also sent to the server (SNI).
   *
   * @default the host
   */
  servername?: string | undefined;
  /**
   * Whether the server's certificate must be valid. `false` lets anybody between you and the server read and change all
   * sessions.
   *
   * @default true, unless `NODE_TLS_REJECT_UNAUTHORIZED=0`
   */
  rejectUnauthorized?: boolean | undefined;
}

/** A node of a cluster, or a sentinel. It may also be a string `'host:port'`, or the number of a port on localhost. */
export type NodeAddress =
  | string
  | number
  | {
      /**
       * The name or the IP address of the node.
       *
       * @default 'localhost'
       */
      host?: string | undefined;
      /**
       * The port of the node, 1 to 65535.
       *
       * @default 6379 for a node of a cluster, 26379 for a sentinel
       */
      port?: number | string | undefined;
    };

/** A password, or a function that gives it: {@link ServerAddress.password}. */
export type Password = string | (() => string | Promise<string>);

/**
 * Where the Redis server is, with the fields of ioredis: one server, a cluster, or a server behind Sentinel. Numbers
 * may be strings, as in environment variables.
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
  /** The ACL user. Needs `password`: without one there is no login. */
  username?: string | undefined;
  /**
   * The password of `username`, or of the default user. No error and no log repeats it.
   *
   * It may be a function, for passwords that expire, such as the tokens of AWS IAM or Entra ID. It is called at each
   * attempt to connect, not for each call. It may stand beside a `connectionString` that has no password.
   *
   * If it throws, rejects, gives no text, or takes longer than `connectTimeout`, the attempt has failed: an `error` event
   * has what it threw as its `cause`, and it is called again at the next attempt. Cache what it gives if that is slow or
   * costs money: on a Cluster each node has connections of its own.
   *
   * @example
   * new SpotsSessions({
   *   connectionString: 'rediss://my-iam-user@my-cache.amazonaws.com:6379',
   *   password: async () => signedToken({ user: 'my-iam-user', cache: 'my-cache', expiresIn: 900 }),
   * });
   */
  password?: Password | undefined;
  /**
   * The IP version of the addresses to use: 4, 6, or 0 for both.
   *
   * @default 0
   */
  family?: 0 | 4 | 6 | '0' | '4' | '6' | 'IPv4' | 'IPv6' | undefined;
  /** `true`, or the settings of TLS. A URL that begins with `rediss://` means `true`. */
  tls?: boolean | TlsOptions | undefined;
  /**
   * Nodes of a Redis Cluster, instead of `host` and `port`. One node that answers is enough: the package finds the
   * others. The default port is 6379. A cluster has only `db` 0.
   *
   * @example
   * new SpotsSessions({ cluster: [{ host: 'node-1', port: 6379 }, 'node-2:6379'] });
   */
  cluster?: readonly NodeAddress[] | undefined;
  /**
   * The sentinels, instead of `host` and `port`. They know which server is the primary. List all of them, because only
   * these are asked. The default port is 26379. Needs `name`. Fields without `sentinel` in their name are about the
   * server.
   *
   * @example
   * new SpotsSessions({ sentinels: ['sentinel-1', 'sentinel-2', 'sentinel-3'], name: 'mymaster' });
   */
  sentinels?: readonly NodeAddress[] | undefined;
  /** The name under which the sentinels know the primary. */
  name?: string | undefined;
  /** The ACL user on the sentinels. Needs `sentinelPassword`. */
  sentinelUsername?: string | undefined;
  /** The password on the sentinels. It may differ from that of the servers, and it may be a function, too. */
  sentinelPassword?: Password | undefined;
  /**
   * TLS to the sentinels: `true` to use the settings of `tls`, or other settings. A URL that begins with
   * `rediss-sentinel://` asks for TLS to the servers and to the sentinels.
   *
   * @default false: as in ioredis, `tls` is for the servers only
   */
  sentinelTLS?: boolean | TlsOptions | undefined;
  /**
   * Not needed: `tls` is always used. It is accepted because ioredis needs `true` here to use `tls`. A value that
   * contradicts `tls` is an error.
   */
  enableTLSForSentinelMode?: boolean | undefined;
  /**
   * Where nodes are reached that announce other addresses, for example behind Docker, Kubernetes or a tunnel. Only with
   * `cluster` or `sentinels`, or a URL of one. A key is the `host:port` that a node of the cluster, or a sentinel,
   * tells, such as `'10.0.0.1:6379'`; the host is the text that it tells, and IPv6 may have brackets. A node that is not
   * named is reached at the address that it announces. The addresses that you list yourself are used as they are.
   *
   * An object is read once. A function is called before each attempt to connect, with `host:port`, IPv6 without
   * brackets. It returns `{ host, port }`, or `null` or `undefined` for a node that is reached at the address that it
   * announces. If it throws, or returns anything else, the attempt has failed: an `error` event has what it threw as its
   * `cause`, and it is called again at the next attempt.
   *
   * @example
   * new SpotsSessions({
   *   cluster: ['localhost:7001'],
   *   natMap: {
   *     '172.18.0.2:6379': { host: 'localhost', port: 7001 },
   *     '172.18.0.3:6379': { host: 'localhost', port: 7002 },
   *   },
   * });
   */
  natMap?: NatMap | undefined;
}

/** The host and the port where a node is reached. */
export interface ReachedAddress {
  /** The name or the IP address. */
  host: string;
  /** The port, 1 to 65535. */
  port: number | string;
}

/**
 * Where nodes are reached that announce other addresses: an object with the `host:port` that they announce as its keys,
 * or a function that gets it. See {@link ServerAddress.natMap}.
 */
export type NatMap =
  | { readonly [announced: string]: ReachedAddress | null | undefined }
  | ((announced: string) => ReachedAddress | null | undefined);

/** The type of an option of ioredis. A number or a boolean may also be a string. */
type IoredisOption<Name extends keyof RedisOptions> =
  | RedisOptions[Name]
  | (Extract<RedisOptions[Name], number | boolean> extends never ? never : string)
  | undefined;

/**
 * Options of ioredis for {@link SpotsSessions.client}, with ioredis' defaults. The methods of `SpotsSessions` have
 * their own connection and do not use these options. Only `showFriendlyErrorStack` is for both.
 */
export interface ClientOptions {
  /** Whether commands without a reply are sent again after a reconnection. */
  autoResendUnfulfilledCommands?: IoredisOption<'autoResendUnfulfilledCommands'>;
  /** Whether the client subscribes to its channels again after a reconnection. */
  autoResubscribe?: IoredisOption<'autoResubscribe'>;
  /**
   * Turns on timeouts of the client for blocking commands, such as `BLPOP`, if it is above 0. A command without a
   * timeout of its own then ends after this many milliseconds.
   */
  blockingTimeout?: IoredisOption<'blockingTimeout'>;
  /** With `blockingTimeout`: how many milliseconds the client waits beyond a blocking command's own timeout. */
  blockingTimeoutGrace?: IoredisOption<'blockingTimeoutGrace'>;
  /** A text that is added to the name of the library in `CLIENT SETINFO`. */
  clientInfoTag?: IoredisOption<'clientInfoTag'>;
  /** The name of the connection in `CLIENT LIST`. */
  connectionName?: IoredisOption<'connectionName'>;
  /** Whether to skip `CLIENT SETINFO`. */
  disableClientInfo?: IoredisOption<'disableClientInfo'>;
  /** Milliseconds that `disconnect` waits for the connection to close, before it destroys the socket. */
  disconnectTimeout?: IoredisOption<'disconnectTimeout'>;
  /** Whether the commands of one turn of the event loop are sent as one pipeline. */
  enableAutoPipelining?: IoredisOption<'enableAutoPipelining'>;
  /** Whether commands wait until there is a connection. If not, they reject. */
  enableOfflineQueue?: IoredisOption<'enableOfflineQueue'>;
  /** Whether a new connection waits until the server has loaded its data. */
  enableReadyCheck?: IoredisOption<'enableReadyCheck'>;
  /** Milliseconds of silence before the first keepalive probe of TCP. */
  keepAlive?: IoredisOption<'keepAlive'>;
  /** Whether to connect when the first command is sent. If not, reading `client` for the first time connects. */
  lazyConnect?: IoredisOption<'lazyConnect'>;
  /** The most milliseconds to wait before a server that loads its data is asked again. */
  maxLoadingRetryTime?: IoredisOption<'maxLoadingRetryTime'>;
  /** How many attempts to reconnect may fail before waiting commands reject. `null`: no limit. */
  maxRetriesPerRequest?: IoredisOption<'maxRetriesPerRequest'>;
  /** Whether the connection shows all commands that the server runs: `MONITOR`. */
  monitor?: IoredisOption<'monitor'>;
  /** Whether to turn Nagle's algorithm off. */
  noDelay?: IoredisOption<'noDelay'>;
  /** The version of the Redis protocol: 2 or 3. */
  protocol?: 2 | 3 | string | undefined;
  /** Whether the connection may read from a replica of a cluster: `READONLY`. */
  readOnly?: IoredisOption<'readOnly'>;
  /**
   * Decides whether an error of the server makes the client reconnect: `true` or 1 does, and 2 also sends the command
   * again.
   */
  reconnectOnError?: ((error: Error) => boolean | 1 | 2) | null | undefined;
  /**
   * Returns how many milliseconds to wait before an attempt to reconnect. Its argument is the number of the attempt. If
   * it returns no number, the client gives up.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: ioredis takes a function that returns nothing
  retryStrategy?: ((times: number) => number | void | null) | null | undefined;
  /**
   * Whether the stack of an error shows the code that made the call. The methods of `SpotsSessions` use this option
   * too. It is for development, because each call then records a stack.
   *
   * @default false
   */
  showFriendlyErrorStack?: IoredisOption<'showFriendlyErrorStack'>;
  /** Milliseconds to wait for data from the server, before the client replaces the connection. */
  socketTimeout?: IoredisOption<'socketTimeout'>;
  /** Whether numbers in replies become strings. */
  stringNumbers?: IoredisOption<'stringNumbers'>;
}

/** Limits of time and size. Each may also be a string, as in environment variables, or stand in a URL's query. */
export interface Timeouts {
  /**
   * Milliseconds within which every call settles, including connecting and retries: 1 to 2³¹ − 1. For `killAll` and
   * `list` it is the limit of each step. A call with a long reply may take ten times as long, while at least 64 KiB of
   * the reply arrive each second. The default is less than the 5 seconds that Jest and Vitest give a test.
   *
   * @default 4000
   */
  commandTimeout?: number | string | undefined;
  /**
   * Milliseconds that one attempt to connect may take: 1 to 2³¹ − 1.
   *
   * @default 10000
   */
  connectTimeout?: number | string | undefined;
  /**
   * Bytes of JSON that the `data` of one `create` or `update` may have: 1024 to 268435456 (256 MiB). More is a
   * `RangeError`. Updates may let a session's data grow to twice this size. An `update` that would make it larger
   * rejects with `ERR_SESSIONS_TOO_LARGE`. A session store is no file storage: other users' calls wait for a large
   * session.
   *
   * @default 1048576, which is 1 MiB
   */
  maxDataSize?: number | string | undefined;
}

/** A connection string, the number of a port on localhost, or a URL. */
export type ConnectionString = string | number | URL;

/** The options of {@link SpotsSessions}. All of them may be left out. */
export interface SpotsSessionsOptions extends ServerAddress, ClientOptions, Timeouts {
  /**
   * Where the sessions are kept:
   *
   * - `redis://[[user]:password@]host[:port][/db]`, or `rediss://…` for TLS
   * - `unix:///path/to/redis.sock`
   * - `redis-sentinel://host,host?name=mymaster`
   * - `redis-cluster://host,host`
   * - `memory:` for the memory of this process, for tests and development
   *
   * A number is a port on localhost. An object is an address with the fields of ioredis. The query of a URL may hold
   * `connectTimeout`, `commandTimeout`, `maxDataSize` and options of ioredis. Other options of this package are refused
   * there. Other names are ignored, as in ioredis. An empty string is an error, and `undefined` means the default.
   *
   * @default 'redis://localhost:6379'
   */
  // A URL object fits the type of the object. If URL were in the list, editors would offer its properties first.
  connectionString?: string | number | (ServerAddress & ClientOptions & Timeouts) | undefined;
  /**
   * How new tokens are written. `base64` uses `+`, `/` and `=`, which URLs and cookies must escape. `base64url` and
   * `hex` need no escaping.
   *
   * @default 'base64'
   */
  tokenEncoding?: TokenEncoding | undefined;
  /**
   * How many bytes a new token has, 32 to 1024. All but the first 16 are random. So 32 bytes have 128 random bits, as
   * the OWASP ASVS (7.2.3) asks of session tokens.
   *
   * @default 128
   */
  tokenSize?: number | undefined;
  /**
   * How many seconds a session lives if `create` has no `duration`: any positive number, or `Infinity`.
   *
   * @default 86400, which is a day
   */
  defaultDuration?: number | undefined;
  /**
   * The default of `sliding` in `create`: whether each use lets a session live its `duration` from then on.
   *
   * @default false
   */
  sliding?: boolean | undefined;
  /**
   * The default of `lifetime` in `create`: how many seconds after its creation a session ends, whatever happens. Any
   * positive number, or `Infinity`.
   *
   * @default Infinity
   */
  lifetime?: number | undefined;
  /**
   * The default of `maxSessions` in `create`: the most live sessions that an owner may have in an app, 1 to 10000, or
   * `Infinity`.
   *
   * @default Infinity
   */
  maxSessions?: number | undefined;
  /**
   * What all keys begin with, for ACL rules such as `~team:*`: up to 256 bytes without `{` and `}`. It may be empty. It is
   * never a pattern. Instances with different prefixes do not see each other's sessions.
   *
   * @default 'spots:'
   */
  prefix?: string | undefined;
  /**
   * How many calls may be pending at once, 1 or more. Further calls reject with `ERR_SESSIONS_OVERLOADED`, so an outage
   * cannot fill the memory.
   *
   * @default 100000
   */
  maxPending?: number | undefined;
  /**
   * Where `get` reads. `'replica'` is for Sentinel and Cluster only: `get` then reads from a replica if there is one.
   *
   * A replica may lag behind its primary. So `get` may return a session as it was before another process killed,
   * updated or rotated it. For 10 seconds after a call of this instance has changed a session, all sessions of that owner are read
   * from the primary. A session that the replica does not have is read from the primary too.
   *
   * @default 'primary'
   */
  readFrom?: 'primary' | 'replica' | undefined;
}

/**
 * The name of an app or an owner: 1 to 4096 characters, any characters. A finite number or a bigint stands for its
 * digits.
 */
export type Name = string | number | bigint;

/**
 * The argument of {@link SpotsSessions.create}. `ttl`, `maxAge`, `expiresIn` and `expires` are refused, because they
 * are mistakes for `duration`.
 */
export type CreateRequest<Data extends object = Record<string, any>> = {
  /** The app that the session belongs to. Sessions of one app do not exist for another app. */
  app: Name;
  /** The user that the session belongs to. */
  ownerId: Name;
  /**
   * How many seconds the session lives, kept to the millisecond. `Infinity` means until it is killed.
   *
   * @default the option `defaultDuration`
   */
  duration?: number | undefined;
  /**
   * Whether each use lets the session live its `duration` from then on: each `get` and each `update` that finds it.
   * `info` and `list` are no uses. The session ends between 0.9 and 1 `duration` after its last use, or at the end of
   * its `lifetime`. It is the idle timeout of the OWASP Session Management Cheat Sheet. A use never makes the session end
   * sooner, so it undoes nothing of a longer `refresh`.
   *
   * @default the option `sliding`
   */
  sliding?: boolean | undefined;
  /**
   * How many seconds after its creation the session ends, whatever happens: any positive number, or `Infinity`. No
   * `refresh` and no use goes beyond it, and it cuts a longer `duration`. It is the absolute timeout of the OWASP Session
   * Management Cheat Sheet.
   *
   * @default the option `lifetime`
   */
  lifetime?: number | undefined;
  /**
   * The most live sessions that the owner may have in the app, the new one included: 1 to 10000, or `Infinity`. If there
   * are more, those that would end soonest end, in the same atomic step: the older first where they tie, and never the
   * new one. One `create` ends at most 100 sessions or 8 MiB, and the next one the rest. Sessions of `SessionStore` do not
   * count here. `SessionStore` counts both.
   *
   * @default the option `maxSessions`
   */
  maxSessions?: number | undefined;
} & (Partial<Data> extends Data ? OptionalData<Data> : OptionalData<Data> & { data: Data });

interface OptionalData<Data extends object> {
  /**
   * Anything that JSON writes as an object, up to the option `maxDataSize`. `get` returns
   * `JSON.parse(JSON.stringify(data))`.
   *
   * @default {}
   */
  data?: Data | undefined;
}

/** The argument of {@link SpotsSessions.get}. */
export interface GetRequest {
  /** The app that the session belongs to. Sessions of other apps are not found. */
  app: Name;
  /**
   * The token that `create` returned, for example from a cookie. `undefined` and `null` open no session, so a request
   * without a cookie is no error.
   */
  token: string | undefined | null;
}

/** The argument of {@link SpotsSessions.refresh}. */
export interface RefreshRequest extends GetRequest {
  /** How many seconds the session lives from now on. `Infinity` means until it is killed. */
  duration: number;
}

/** The argument of {@link SpotsSessions.update}. */
export interface UpdateRequest<Data extends object = Record<string, any>> extends GetRequest {
  /** The keys to set. `null` deletes a key, and `undefined` leaves it alone. */
  data: { [Key in keyof Data]?: Data[Key] | null | undefined };
}

/** The argument of {@link SpotsSessions.info}. Another property is a `TypeError`. */
export interface InfoRequest extends GetRequest {}

/** The argument of {@link SpotsSessions.list}. Another property is a `TypeError`. */
export interface ListRequest {
  /** The app whose sessions are listed. */
  app: Name;
  /** The user whose sessions are listed. */
  ownerId: Name;
  /** The token of the session that is `current` in the list, for example from the request's cookie. */
  token?: string | undefined | null;
  /**
   * How many sessions to return, those that end last: 1 to 1000.
   *
   * @default 100
   */
  limit?: number | undefined;
}

/** The argument of {@link SpotsSessions.rotate}. Another property is a `TypeError`. */
export interface RotateRequest extends GetRequest {}

/** The argument of {@link SpotsSessions.kill} with a token. */
export interface KillRequest extends GetRequest {
  /** Left out, because there is a `token`. */
  id?: never;
}

/** The argument of {@link SpotsSessions.kill} with an id. Another property is a `TypeError`. */
export interface KillByIdRequest {
  /** The app that the session belongs to. */
  app: Name;
  /** The user that the session belongs to. A session of another user stays. */
  ownerId: Name;
  /** The id of the session, from `info` or `list`: 22 characters, or 28 for a session of `SessionStore`. */
  id: string;
  /** Left out, because there is an `id`. */
  token?: never;
}

/** The argument of {@link SpotsSessions.killAll}. Another property is a `TypeError`. */
export interface KillAllRequest {
  /** The app whose sessions end. The owner's sessions of other apps stay. */
  app: Name;
  /** The user whose sessions end. */
  ownerId: Name;
  /** The token of a session that stays. With `undefined` and `null`, none stays. */
  except?: string | undefined | null;
}

/** A session, as {@link SpotsSessions.get} returns it. */
export interface Session<Data extends object = Record<string, any>> {
  /** The user that it belongs to. Always a string, even if `create` got a number. */
  ownerId: string;
  /** The data that `create` got, with all updates merged, as JSON writes and reads it. */
  data: Data;
}

/** A session, as {@link SpotsSessions.info} describes it. The times are those of Redis' clock. */
export interface SessionInfo<Data extends object = Record<string, any>> extends Session<Data> {
  /** Names the session and opens nothing, so it may be shown to its owner. `rotate` changes it. */
  id: string;
  /** When the session was created. */
  createdAt: Date;
  /** When the session ends. `undefined` if it never does. */
  expiresAt: Date | undefined;
}

/** A session, as {@link SpotsSessions.list} describes it. */
export interface ListedSession<Data extends object = Record<string, any>>
  extends Omit<SessionInfo<Data>, 'ownerId'> {
  /** Whether it is the session whose token was given to `list`. */
  current: boolean;
}

/** The default type of {@link SpotsSessions.client}: an ioredis client. */
export interface SessionsClient extends Redis {}

/**
 * The events of an instance's connections, and the arguments of their listeners. Listeners are optional. Events do not
 * keep the process alive, nor the instance after its first event. There are none after `close` or about replicas.
 */
export interface SpotsSessionsEvents {
  /**
   * The instance is connected and serves calls: after the first connection, and again after each loss. On a Cluster it
   * comes for each primary.
   */
  ready: [];
  /**
   * A connection was lost, or an attempt to connect failed. After a loss the instance connects again at once. After a
   * failed attempt it tries again while calls wait, with pauses that grow to a second.
   */
  reconnecting: [reason: SpotsSessionsError];
  /**
   * An attempt to connect failed, for this reason, and `reconnecting` follows. If a function of yours failed, such as
   * `password` or `natMap`, the `cause` is what it threw. Or a sliding session that was used could not be extended; a
   * later use tries again. Unlike with other emitters, nothing is thrown if there is no listener.
   */
  error: [error: SpotsSessionsError];
}

/**
 * A message of Node's `diagnostics_channel.tracingChannel('spots-sessions:call')`. Each call has one object, which is
 * published as `start`, `end`, `asyncStart`, `asyncEnd` and, if the call rejects, `error`.
 */
export interface TracedCall {
  /** The method that was called. */
  readonly method:
    | 'create'
    | 'get'
    | 'info'
    | 'list'
    | 'refresh'
    | 'update'
    | 'rotate'
    | 'kill'
    | 'killAll'
    | 'ping';
  /** The app of the call. Left out if the app is not a valid name. */
  readonly app?: string;
  /** Milliseconds from the call until it settled. Set in `error`, `asyncStart` and `asyncEnd`. */
  readonly duration?: number;
  /** The error with which the call rejects. */
  readonly error?: unknown;
}

/**
 * Users' sessions in Redis.
 *
 * - A wrong argument rejects with a `TypeError` or a `RangeError` that names it.
 * - An outage or a refusal of the server rejects with a {@link SpotsSessionsError}.
 * - A missing session is no error: methods resolve to `undefined` or `false`.
 *
 * Make one instance for each process, not one for each request. An instance without pending calls does not keep the
 * process alive.
 *
 * The class is a named export, for `import` and for `require`: `import { SpotsSessions } from '@spots-tech/sessions'`.
 *
 * @typeParam Data the type of `data`
 * @typeParam Client the type of `client`; `Cluster` for a Redis Cluster
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
   * @param options all of them may be left out
   * @throws {Error} `failed to instantiate IORedis client: …`, with the reason, which is also the `cause`
   *
   * @example
   * new SpotsSessions({ connectionString: 'memory:', tokenEncoding: 'base64url', tokenSize: 32 });
   */
  constructor(options?: SpotsSessionsOptions);
  /**
   * Returns at once and connects in the background.
   *
   * @param connectionString where the sessions are kept; by default `redis://localhost:6379`
   * @throws {Error} `failed to instantiate IORedis client: …`, with the reason, which is also the `cause`
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
   * @throws {Error} `failed to instantiate IORedis client: …`, with the reason, which is also the `cause`
   */
  constructor(either?: ConnectionString | SpotsSessionsOptions);

  /**
   * Creates a session and resolves to its token. The token opens the session, so keep it as you would a password.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a wrong argument
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `duration`, `lifetime` or `maxSessions` is out of range, a name is too
   * long, or `data` is too large
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const token = await sessions.create({
   *   app: 'shop', ownerId: '42', data: { name: 'Ada' }, duration: 3600,
   * });
   *
   * @example
   * // Ends half an hour after its last use, and twelve hours after the login at the latest. Ends the oldest of the user's
   * // sessions if this one is the sixth.
   * await sessions.create({
   *   app: 'shop', ownerId: '42', duration: 1800, sliding: true, lifetime: 43_200, maxSessions: 5,
   * });
   */
  create(request: CreateRequest<Data>): Promise<string>;

  /**
   * Resolves to the session that a token opens, or to `undefined` if there is none.
   *
   * During an outage it rejects. It does not resolve to `undefined`, unless the text cannot be a token of this package.
   * For such a text no server is asked.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a wrong argument
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `app` is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const session = await sessions.get({ app: 'shop', token: request.cookies.sid });
   * if (!session) return response.writeHead(401).end();
   */
  get(request: GetRequest): Promise<Session<Data> | undefined>;

  /**
   * Describes the session that a token opens: its public id, when it was created and when it ends. Resolves to
   * `undefined` if there is none. It takes one round trip and never extends the session.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a wrong argument, or an unknown one
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `app` is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const info = await sessions.info({ app: 'shop', token });
   * if (info) console.log(`logged in since ${info.createdAt}`);
   */
  info(request: InfoRequest): Promise<SessionInfo<Data> | undefined>;

  /**
   * Lists sessions of an owner, the newest first: a page of the user's devices. If the owner has more than `limit`, it
   * lists those that end last. It never extends a session. Sessions of `SessionStore` are listed, too; of more than `limit`
   * of them it lists those whose pointers are kept longest, which is up to half a duration off.
   *
   * It is no snapshot: the ids are read first, and the records in steps of 250 sessions or 1 MiB. Choose
   * the fields that go to a browser, because other devices' data may hold what must not.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a wrong argument, or an unknown one
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `limit` is not 1 to 1000, or a name is too long
   * @throws {SpotsSessionsError} `ERR_SESSIONS_TOO_LARGE`: the sessions hold more than 16 MiB together, so `limit` must
   * be smaller; an outage or a refusal: `code` says which
   *
   * @example
   * const devices = await sessions.list({ app: 'shop', ownerId: '42', token });
   * response.json(devices.map(({ id, data, createdAt, current }) => ({ id, name: data.name, createdAt, current })));
   */
  list(request: ListRequest): Promise<ListedSession<Data>[]>;

  /**
   * Gives a session a new time to live, from now on, up to its `lifetime`. Resolves to whether there was such a session.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a wrong argument
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `duration` is not positive, or `app` is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const alive = await sessions.refresh({ app: 'shop', token, duration: 3600 });
   */
  refresh(request: RefreshRequest): Promise<boolean>;

  /**
   * Merges `data` into a session's data, key by key at the top level. The expiry stays, unless the session is sliding.
   * Parallel updates all take effect. Resolves to whether there was such a session. `data` cannot be left out.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a wrong argument
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `app` is too long, or `data` is too large
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * // Sets age, deletes name, and leaves all other keys alone.
   * const updated = await sessions.update({ app: 'shop', token, data: { age: 36, name: null } });
   */
  update(request: UpdateRequest<Data>): Promise<boolean>;

  /**
   * Gives a session a new token, and resolves to it, or to `undefined` if there was no such session. From that moment the
   * old token opens nothing. Owner, data, creation and expiry stay, and the id changes. Do it whenever a user's rights
   * grow: at a login, after a change of the password (OWASP Session Management Cheat Sheet, "Renew the Session ID After
   * Any Privilege Level Change").
   *
   * - A second tab that still sends the old token gets `undefined`. Do not clear the cookie on that alone.
   * - After `ERR_SESSIONS_TIMEOUT` the session may have a new token that nobody knows. Let the user log in again.
   * - Of concurrent rotations of one token, one gives a token and the others `undefined`.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a wrong argument, or an unknown one
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: `app` is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const fresh = await sessions.rotate({ app: 'shop', token });
   * if (fresh !== undefined) response.cookie('sid', fresh, { httpOnly: true, secure: true, sameSite: 'lax' });
   */
  rotate(request: RotateRequest): Promise<string | undefined>;

  /**
   * Ends a session. Resolves to whether there was one. The session is named by its token, or by its owner and its public
   * id: another owner's id does nothing.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a wrong argument, both a `token` and an `id`, an
   * `id` that is `undefined`, or beside an `id` an unknown property
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: a name is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const killed = await sessions.kill({ app: 'shop', token });
   *
   * @example
   * const ended = await sessions.kill({ app: 'shop', ownerId: '42', id: request.body.id });
   */
  kill(request: KillRequest | KillByIdRequest): Promise<boolean>;

  /**
   * Ends all sessions of an owner in an app, or all except one. Resolves to whether it ended any. Once it resolves, no
   * token that `create` or `rotate` returned before the call opens a session, except the token in `except`.
   *
   * If the excepted session gets a new token meanwhile, it may end, too. That is the safe side.
   *
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`: a wrong argument, or an unknown one
   * @throws {RangeError} `ERR_OUT_OF_RANGE`: a name is too long
   * @throws {SpotsSessionsError} an outage or a refusal: `code` says which
   *
   * @example
   * const killed = await sessions.killAll({ app: 'shop', ownerId: '42' });
   *
   * @example
   * // "Log out everywhere else".
   * await sessions.killAll({ app: 'shop', ownerId: '42', except: token });
   */
  killAll(request: KillAllRequest): Promise<boolean>;

  /**
   * Resolves when Redis has answered: the server, the primary behind Sentinel, or each primary of a Cluster. Rejects as
   * any call does, within `commandTimeout`. Resolves at once on `memory:`.
   *
   * Use it for readiness probes. A `get` with an invented token proves little: a text that cannot be a token is
   * answered without a server.
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
   * An ioredis client on the same server and database, with the same credentials and TLS, for keys of your own. The
   * methods never use it. It is created, and starts to connect, when you first read this property. From then on it
   * keeps the process alive until `close`. Tests may assign another client. If `password` is a function, it is called at
   * each attempt of the client to connect, too.
   *
   * On a Redis Cluster it is ioredis' `Cluster`. TypeScript takes it for a `Redis`, which has the same commands. To
   * name its type: `new SpotsSessions<Data, Cluster>('redis-cluster://…')`.
   *
   * @throws {TypeError} on `memory:`, because there is no server
   * @throws {SpotsSessionsError} `ERR_SESSIONS_CLOSED` if you first read it after `close`
   *
   * @example
   * await sessions.client.set('my-app:motd', 'hello');
   */
  client: Client;

  /**
   * Adds a listener for an event. The instance also has the other methods of Node's `EventEmitter`.
   *
   * @example
   * sessions.on('error', (error) => console.error('sessions:', error.message));
   */
  on<Name extends keyof SpotsSessionsEvents>(event: Name, listener: Listener<Name>): this;
  /** Adds a listener that is called once. */
  once<Name extends keyof SpotsSessionsEvents>(event: Name, listener: Listener<Name>): this;
  /** Removes a listener. */
  off<Name extends keyof SpotsSessionsEvents>(event: Name, listener: Listener<Name>): this;
  /** The same as `on`. */
  addListener<Name extends keyof SpotsSessionsEvents>(event: Name, listener: Listener<Name>): this;
  /** The same as `off`. */
  removeListener<Name extends keyof SpotsSessionsEvents>(
    event: Name,
    listener: Listener<Name>,
  ): this;

  /**
   * Takes no more calls, and resolves when the pending ones have settled. Later calls reject with
   * `ERR_SESSIONS_CLOSED`. You may call it twice.
   *
   * @example
   * process.once('SIGTERM', async () => {
   *   await sessions.close();
   *   process.kill(process.pid, 'SIGTERM'); // the listener is gone, so this ends the process
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
 * The error of a call that failed although its arguments were valid. No field holds a token, a password or data.
 *
 * - `ERR_SESSIONS_CONNECTION`: no server could be reached in time. Nothing was done.
 * - `ERR_SESSIONS_TIMEOUT`: the call was sent, and no answer came in time. It may or may not have acted.
 * - `ERR_SESSIONS_REDIS`: the server refused. `redisCode` says why.
 * - `ERR_SESSIONS_CORRUPT`: the session's key, or its owner's index, holds something that this package did not write.
 * - `ERR_SESSIONS_TOO_LARGE`: an update would make the data larger than twice `maxDataSize`, and nothing was done. Or the
 *   sessions of a list hold more than 16 MiB together.
 * - `ERR_SESSIONS_OVERLOADED`: `maxPending` calls are pending already, or the process has no memory for the data that
 *   the call sends or reads. Nothing was done.
 * - `ERR_SESSIONS_CLOSED`: the instance is closed. Nothing was done.
 * - `ERR_SESSIONS_INTERNAL`: a bug in this package. The call may or may not have acted.
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
  /** The name of the class. The stack begins with it. */
  readonly name: 'SpotsSessionsError';
  /** The kind of error. {@link SpotsSessionsError} lists all codes. */
  readonly code:
    | 'ERR_SESSIONS_CONNECTION'
    | 'ERR_SESSIONS_TIMEOUT'
    | 'ERR_SESSIONS_REDIS'
    | 'ERR_SESSIONS_CORRUPT'
    | 'ERR_SESSIONS_TOO_LARGE'
    | 'ERR_SESSIONS_OVERLOADED'
    | 'ERR_SESSIONS_CLOSED'
    | 'ERR_SESSIONS_INTERNAL';
  /** The code of the server's own error, such as `OOM`, `WRONGPASS` or `NOPERM`; `ERR` if it has none. */
  readonly redisCode?: string;
}
