'use strict';

// The keys of another system: finds them with SCAN, reads them, and deletes those that are unchanged. Each command is
// short, so the server is never blocked. On a Cluster every primary is scanned, and each key is a command of its own.

const { SCAN_COUNT, escapeGlob, inTime, primariesOf, scan } = require('../scan.js');

/** How many keys are read, or deleted, in one script. They are created by three scripts of 32 calls. */
const BATCH_KEYS = 96;

/** A longer value is read alone, so that a batch takes little memory. */
const LARGE_BYTES = 2 ** 15;

/** How far two readings of one expiry may differ, on a server that cannot tell it exactly. */
const TOLERANCE_MS = 2;

/** Stands for an expiry. The first two are what PTTL returns. */
const EXPIRY = Object.freeze({ NEVER: -1, GONE: -2, NO_STRING: -3, TOO_LARGE: -4 });

const EXPIRY_OF = `
  local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
  end

  -- When a key expires, in ms since 1970; -1: never; -2: there is no such key.
  local has_expiretime = true -- from Redis 7.0 on
  local function expiry_of(key)
    if has_expiretime then
      local expiry = redis.pcall('PEXPIRETIME', key)
      if type(expiry) == 'number' then return expiry end
      has_expiretime = false
    end
    local before, left, after
    repeat -- the process may lose its processor between two commands
      before, left, after = clock(), redis.call('PTTL', key), clock()
    until after - before <= 1
    return left < 0 and left or after + left
  end`;

const VALUES = `
  -- Reads values. ARGV: 1 the most bytes that a value may have. Returns for each key its value, or nil.
  local most, found = tonumber(ARGV[1]), {}
  for n, key in ipairs(KEYS) do
    local value = redis.pcall('GETRANGE', key, '0', ARGV[1])
    found[n] = type(value) == 'string' and #value <= most and value
  end
  return found`;

const READ = `${EXPIRY_OF}
  -- Reads keys. ARGV: 1 the most bytes that a value may have.
  -- Returns for each key three items: its value, or nil; when it expires, or why it has no value; how many ms are left.
  local most, found, now = tonumber(ARGV[1]), {}, clock()
  for n, key in ipairs(KEYS) do
    local value, expiry = redis.pcall('GETRANGE', key, '0', ARGV[1]), expiry_of(key)
    local left = expiry - now
    if expiry == ${EXPIRY.GONE} then
      value = false
    elseif type(value) ~= 'string' then
      value, expiry = false, ${EXPIRY.NO_STRING}
    elseif #value > most then
      value, expiry = false, ${EXPIRY.TOO_LARGE}
    end
    found[3 * n - 2], found[3 * n - 1], found[3 * n] = value, expiry, left
  end
  return found`;

const REMOVE = `${EXPIRY_OF}
  -- Deletes the keys that are unchanged. ARGV: for each key its value and its expiry, as READ returned them.
  -- Returns for each key 1 if it is gone, and 0 if it was changed.
  local removed = {}
  for n, key in ipairs(KEYS) do
    local value, expiry, now = ARGV[2 * n - 1], tonumber(ARGV[2 * n]), expiry_of(key)
    if now == ${EXPIRY.GONE} then
      removed[n] = 1
    elseif math.abs(now - expiry) > ${TOLERANCE_MS} or redis.pcall('GET', key) ~= value then
      removed[n] = 0
    else
      removed[n] = redis.call('DEL', key)
    end
  end
  return removed`;

/**
 * @typedef {object} OldEntry a key, as it was read
 * @property {string} key
 * @property {Buffer | null} value null if `expiry` says why
 * @property {number} expiry in ms since 1970 by the server's clock, or one of `EXPIRY`
 * @property {number} left how many ms were left when it was read
 */

class OldKeys {
  #client;
  #commandTimeout;
  #prefix;
  #pattern;
  /** How many keys were looked at so far, of all kinds. */
  scanned = 0;
  /** Whether `batches` ends when the server has sent its next page of keys. */
  isStopped = false;

  /**
   * @param {any} client of ioredis
   * @param {string} prefix what the keys begin with
   * @param {number} commandTimeout in milliseconds
   */
  constructor(client, prefix, commandTimeout) {
    this.#client = client;
    this.#commandTimeout = commandTimeout;
    this.#prefix = Buffer.from(prefix);
    this.#pattern = `${escapeGlob(prefix)}*`;
    client.defineCommand('readOldValues', { lua: VALUES });
    client.defineCommand('readOldKeys', { lua: READ });
    client.defineCommand('removeOldKeys', { lua: REMOVE });
  }

  /** Resolves to how many keys the server has, of all kinds. */
  async count() {
    const ms = this.#commandTimeout;
    const primaries = await primariesOf(this.#client, ms);
    const sizes = await inTime(ms, Promise.all(primaries.map((node) => node.dbsize())));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** Yields the keys in batches. A key may come twice, as SCAN says. @returns {AsyncGenerator<Buffer[]>} */
  async *batches() {
    let batch = [];
    for (const node of await primariesOf(this.#client, this.#commandTimeout)) {
      for await (const keys of scan(node, this.#pattern, this.#commandTimeout)) {
        // Asked here too, because of many pages none may fill a batch.
        if (this.isStopped) return;
        this.scanned += SCAN_COUNT;
        for (const key of keys) {
          if (!key.subarray(0, this.#prefix.length).equals(this.#prefix)) continue;
          batch.push(key);
          if (batch.length === BATCH_KEYS) {
            yield batch;
            batch = [];
          }
        }
      }
    }
    if (batch.length > 0) yield batch;
  }

  /**
   * Reads keys, and yields them in parts.
   *
   * @param {string[]} keys
   * @param {number} most bytes that a value may have
   * @returns {AsyncGenerator<OldEntry[]>}
   */
  async *read(keys, most) {
    const entries = await this.#read(keys, Math.min(most, LARGE_BYTES));
    const isLarge = ({ expiry }) => expiry === EXPIRY.TOO_LARGE;
    yield entries.filter((entry) => !isLarge(entry));
    for (const { key } of entries.filter(isLarge)) yield this.#read([key], most);
  }

  /**
   * Reads the values of keys. Not on a Cluster.
   *
   * @param {string[]} keys
   * @param {number} most bytes that a value may have
   * @returns {Promise<(Buffer | null)[]>} null if there is none, or it is long
   */
  async values(keys, most) {
    const entries = keys.map((key) => ({ key }));
    return this.#inScripts('readOldValuesBuffer', entries, () => [Math.min(most, LARGE_BYTES)]);
  }

  /**
   * Deletes keys, unless they were changed since they were read.
   *
   * @param {OldEntry[]} entries
   * @returns {Promise<boolean[]>} for each whether it is gone
   */
  async remove(entries) {
    const replies = await this.#inScripts('removeOldKeys', entries, (group) =>
      group.flatMap(({ value, expiry }) => [value, expiry]),
    );
    return replies.map((reply) => reply === 1);
  }

  /** @param {string[]} keys @param {number} most @returns {Promise<OldEntry[]>} */
  async #read(keys, most) {
    const entries = keys.map((key) => ({ key }));
    const replies = await this.#inScripts('readOldKeysBuffer', entries, () => [most]);
    return keys.map((key, n) => ({
      key,
      value: replies[3 * n],
      expiry: replies[3 * n + 1],
      left: replies[3 * n + 2],
    }));
  }

  /**
   * Runs a script for keys: once for all of them, or on a Cluster once for each.
   *
   * @template {{ key: string }} Entry
   * @param {string} name
   * @param {Entry[]} entries
   * @param {(group: Entry[]) => unknown[]} argumentsOf
   */
  async #inScripts(name, entries, argumentsOf) {
    if (entries.length === 0) return [];
    const groups = this.#client.isCluster ? entries.map((entry) => [entry]) : [entries];
    const run = (group) =>
      this.#client[name](group.length, ...group.map(({ key }) => key), ...argumentsOf(group));
    return (await inTime(this.#commandTimeout, Promise.all(groups.map(run)))).flat();
  }
}

module.exports = { EXPIRY, OldKeys };
