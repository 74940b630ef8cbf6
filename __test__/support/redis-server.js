// A throw-away Redis (or Valkey) server for one test file, on a free port, with a temporary folder. It saves nothing to
// disk. When the process that started it ends in any way, scripts/children.js ends the server.

const { once } = require('node:events');
const { readFileSync, rmSync, writeFileSync } = require('node:fs');
const net = require('node:net');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { Redis } = require('ioredis');
const { spawn, spawnSync, temporaryFolder } = require('../../scripts/children.js');
const { waitUntil } = require('./wait-until.js');

const START_ATTEMPTS = 10;
/** How long a test waits until a server answers PONG, in milliseconds. It is no measurement. */
const START_PATIENCE = 30_000;

/**
 * @typedef {object} StartOptions
 * @property {string[]} [args] further arguments of the server
 * @property {Record<string, string | number | string[]>} [config] settings, each passed as `--key value`
 * @property {boolean} [unixSocket] listens on a unix socket too: `server.unixSocket`
 * @property {number} [port] this port and no other
 * @property {() => Promise<number>} [findPort] chooses it, another one at each attempt
 * @property {Record<string, string>} [env] more of its environment
 * @property {string} [sentinel] makes it a sentinel, with these lines of configuration
 */

/**
 * Starts a server and resolves when it answers PONG.
 *
 * @param {StartOptions} [options]
 */
async function startRedis(options = {}) {
  const binary = findServer();
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await (options.findPort ?? freePort)());
    const server = new RedisServer(binary, options, port);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      // Another process may take the free port before the server binds it.
      if (
        options.port ||
        attempt === START_ATTEMPTS ||
        !/address already in use/i.test(error.message)
      )
        throw error;
    }
  }
}

class RedisServer {
  #binary;
  #options;
  #clients = new Set();

  constructor(binary, options, port) {
    this.#binary = binary;
    this.#options = options;
    this.host = '127.0.0.1';
    this.port = port;
    this.dir = temporaryFolder('redis-');
    this.unixSocket = options.unixSocket ? join(this.dir, 'redis.sock') : undefined;
    this.process = undefined;
    if (options.sentinel) writeFileSync(this.#file, this.#lines());
  }

  /** @returns {number | undefined} */
  get pid() {
    return this.process?.pid;
  }

  get password() {
    const password = this.#options.config?.requirepass;
    return password === undefined ? undefined : String(password);
  }

  /** The connection string, with the password of `config.requirepass` if there is one. */
  get url() {
    const login = this.password ? `:${encodeURIComponent(this.password)}@` : '';
    return `redis://${login}${this.host}:${this.port}`;
  }

  /** Starts the process (again) on its port and resolves when it answers. */
  async start() {
    const child = spawn(this.#binary, this.#arguments(), {
      cwd: this.dir,
      stdio: 'ignore',
      env: { ...process.env, ...this.#options.env },
    });
    this.process = child;
    let failure;
    child.once('error', (error) => {
      failure = error;
    });
    child.unref();

    for (const deadline = Date.now() + START_PATIENCE; ; ) {
      if (failure || child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`${this.#binary} did not start: ${failure?.message ?? this.log()}`);
      }
      if (await answers(this.unixSocket ?? { host: this.host, port: this.port })) return;
      if (Date.now() > deadline) throw new Error(`${this.#binary} does not answer: ${this.log()}`);
      await sleep(5);
    }
  }

  /** The configuration file of a sentinel. The sentinel rewrites it, so that it remembers after a restart. */
  get #file() {
    return join(this.dir, 'sentinel.conf');
  }

  #lines() {
    const lines = [`port ${this.port}`, `bind ${this.host}`, `dir ${this.dir}`];
    return [...lines, 'logfile redis.log', this.#options.sentinel, ''].join('\n');
  }

  #arguments() {
    if (this.#options.sentinel) return [this.#file, '--sentinel'];
    const settings = {
      port: this.port,
      bind: this.host,
      dir: this.dir,
      logfile: 'redis.log',
      save: '',
      appendonly: 'no',
      ...(this.unixSocket && { unixsocket: this.unixSocket }),
      ...this.#options.config,
    };
    const pairs = Object.entries(settings).flatMap(([key, value]) => [
      `--${key}`,
      ...[value].flat().map(String),
    ]);
    return [...pairs, ...(this.#options.args ?? [])];
  }

  /** What the server wrote into its log. */
  log() {
    try {
      return readFileSync(join(this.dir, 'redis.log'), 'utf8');
    } catch {
      return '(no log)';
    }
  }

  /**
   * An ioredis client of this server; disconnected by `stop`.
   *
   * @param {import('ioredis').RedisOptions} [options]
   */
  client(options) {
    const client = new Redis({
      host: this.host,
      port: this.port,
      password: this.password,
      ...options,
    });
    client.on('error', () => {});
    this.#clients.add(client);
    client.once('end', () => this.#clients.delete(client));
    return client;
  }

  /**
   * How often each command ran since the server started or `CONFIG RESETSTAT`, also inside scripts:
   * `{ get: 3, evalsha: 1 }`.
   *
   * @returns {Promise<Record<string, number>>}
   */
  async commandStats() {
    const client = this.client();
    try {
      const text = await client.info('commandstats');
      const lines = text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
      return Object.fromEntries([...lines].map(([, name, calls]) => [name, Number(calls)]));
    } finally {
      client.disconnect();
    }
  }

  /**
   * Records what MONITOR shows. `stop()` resolves to everything up to now, as text.
   *
   * @returns {Promise<{ stop(): Promise<string> }>}
   */
  async monitor() {
    const socket = net.connect(this.port, this.host);
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += chunk;
    });
    await once(socket, 'connect');
    if (this.password) socket.write(`AUTH ${JSON.stringify(this.password)}\r\n`);
    socket.write('MONITOR\r\n');
    const replies = this.password ? '+OK\r\n+OK\r\n' : '+OK\r\n';
    await waitUntil(() => text.startsWith(replies), 'MONITOR to begin');
    return {
      stop: async () => {
        const marker = `end-of-monitor-${Math.random()}`;
        const client = this.client();
        await client.echo(marker);
        client.disconnect();
        await waitUntil(() => text.includes(marker), 'MONITOR to show its end');
        socket.destroy();
        return text;
      },
    };
  }

  /** @param {NodeJS.Signals} [signal] such as SIGSTOP and SIGCONT; the folder and the port stay ours */
  kill(signal = 'SIGKILL') {
    this.process?.kill(signal);
  }

  /** Ends the process, and resolves when it is gone. `start()` or `restart()` brings it back. */
  async down() {
    const child = this.process;
    this.process = undefined;
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.ref();
    child.kill('SIGKILL');
    await exit;
  }

  /** Ends the process and starts an empty one on the same port. */
  async restart() {
    await this.down();
    await this.start();
  }

  /** Ends the process, disconnects the clients and removes the folder. */
  async stop() {
    for (const client of this.#clients) client.disconnect();
    await this.down();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** $REDIS_SERVER, or the first of redis-server and valkey-server that is installed. */
function findServer() {
  if (process.env.REDIS_SERVER) return process.env.REDIS_SERVER;
  const names = ['redis-server', 'valkey-server'];
  const found = names.find(
    (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
  );
  if (!found)
    throw new Error(
      `found neither ${names.join(' nor ')}: install one or set REDIS_SERVER to its path`,
    );
  return found;
}

/** The configuration that allows DEBUG. Redis 6 has none, and always allows it. */
function allowDebug() {
  const { stdout } = spawnSync(findServer(), ['--version'], { encoding: 'utf8' });
  return / v=6\./.test(stdout) ? {} : { 'enable-debug-command': 'yes' };
}

/** A port that is free now. */
async function freePort() {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/** Whether a server answers PING there. NOAUTH is an answer, and LOADING is none. */
function answers(address) {
  return new Promise((resolve) => {
    const socket = net.connect(address);
    const settle = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => settle(false));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    socket.once('data', (chunk) => settle(/^(\+PONG|-NOAUTH|-NOPERM)/.test(chunk.toString())));
    socket.once('connect', () => socket.write('PING\r\n'));
  });
}

module.exports = { allowDebug, freePort, startRedis, waitUntil };
