'use strict';

// Host names that no name server answers for: their lookups must not use up the threads of this
// process, nor hold up other instances.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { faultyServer } = require('../support/faults.js');
const { compileLibrary } = require('../support/preload.js');
const { runScript } = require('../support/scripts.js');

/**
 * A resolver. A name with `silent` fails after `WAIT_MS`. A name with `slow` is 127.0.0.1 after that time, and
 * any other at once. Each lookup writes a line when it begins, `>name`, and when it ends, `<name`.
 */
const RESOLVER = `
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <fcntl.h>
  #include <netdb.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <unistd.h>
  static void tell(char what, const char *name) {
    char line[256];
    int length = snprintf(line, sizeof line, "%c%s\\n", what, name);
    int file = open(getenv("LOOKUPS"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (write(file, line, length) != length) abort();
    close(file);
  }
  int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real) real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!name || !strstr(name, ".example")) return real(name, port, hints, found);
    tell('>', name);
    int result = EAI_AGAIN;
    if (strstr(name, "silent") || strstr(name, "slow")) usleep(1000 * atol(getenv("WAIT_MS")));
    if (!strstr(name, "silent")) result = real("127.0.0.1", port, hints, found);
    tell('<', name);
    return result;
  }`;

/** The beginning of every script. */
const HEAD = `
  const assert = require('node:assert/strict');
  const { readFileSync, readdirSync, writeFileSync } = require('node:fs');
  const { setTimeout: sleep } = require('node:timers/promises');
  writeFileSync(process.env.LOOKUPS, '');
  const threads = () => readdirSync('/proc/self/task').length;
  const atFirst = threads();
  /** How often each name was looked up, and how often at once. */
  const lookups = () => {
    const names = {};
    for (const line of readFileSync(process.env.LOOKUPS, 'utf8').split('\\n').slice(0, -1)) {
      const of = (names[line.slice(1)] ??= { begun: 0, now: 0, most: 0 });
      if (line[0] === '>') of.begun++;
      of.now += line[0] === '>' ? 1 : -1;
      of.most = Math.max(of.most, of.now);
    }
    return names;
  };
  const open = (host, settings) =>
    new SpotsSessions({ host, port: given.port, commandTimeout: 30_000, ...settings });
  const get = (sessions) => sessions.get({ app: 'shop', token: 'a'.repeat(40) });
  /** Calls that wait, so that each instance goes on trying. */
  const waits = (sessions) => void get(sessions).catch(() => {});
  const until = async (condition, what) => {
    for (const end = Date.now() + 30_000; !condition(); await sleep(20))
      if (Date.now() > end) throw new Error('waited in vain for ' + what);
  };`;

/** Runs a script with that resolver, and asserts that it succeeds. */
async function assertRuns(t, body, waitMs) {
  const library = compileLibrary(t, RESOLVER);
  if (!library) return t.skip('no C compiler for a resolver that says nothing');
  const { server } = await faultyServer(t);
  const env = { LD_PRELOAD: library, LOOKUPS: `${library}.lookups`, WAIT_MS: String(waitMs) };
  const code = `${HEAD}
    (async () => { ${body}
      console.log('done');
      process.exit();
    })();`;
  const end = await runScript(code, { given: { port: server.port }, env });
  assert.deepEqual({ ...end }, { code: 0, signal: null, stdout: 'done\n', stderr: '' });
}

test('R69 300 instances of one name without an answer share one lookup, and other instances are served', (t) =>
  assertRuns(
    t,
    `
      const silent = Array.from({ length: 300 }, () => open('silent.example', { commandTimeout: 3000 }));
      // Each instance tries again and again until then.
      const ends = Promise.allSettled(silent.map(get));
      await until(() => lookups()['silent.example']?.now === 1, 'the lookup');
      for (const host of ['localhost', '127.0.0.1', 'works.example'])
        assert.equal(await get(open(host)), undefined, host);
      for (const { reason } of await ends) assert.equal(reason.code, 'ERR_SESSIONS_CONNECTION');
      const { begun, most } = lookups()['silent.example'];
      assert.equal(most, 1);
      assert.equal(begun, 1);
      assert.ok(threads() - atFirst <= 20, threads() + ' threads');`,
    3_600_000,
  ));

test('R69 300 names without an answer take few threads, and instances of other names are served, old and new', (t) =>
  assertRuns(
    t,
    `
      const early = open('works-early.example', { commandTimeout: 4000 });
      const silent = Array.from({ length: 300 }, (_, n) => open('silent-' + n + '.example'));
      silent.forEach(waits);
      assert.equal(await get(early), undefined);
      let most = 0;
      const running = () => Object.values(lookups()).reduce((sum, { now }) => sum + now, 0);
      let atOnce = 0;
      // Lookups that hang give way: one more begins each second.
      for (let round = 0; round < 20 || running() <= 36; round++) {
        const host = 'works-' + round + '.example';
        assert.equal(await get(open(host, { commandTimeout: 4000 })), undefined, host);
        assert.equal(await get(open('localhost', { commandTimeout: 4000 })), undefined);
        most = Math.max(most, threads() - atFirst);
        atOnce = Math.max(atOnce, running());
        await sleep(100);
      }
      assert.ok(atOnce <= 97, atOnce + ' lookups at once');
      assert.ok(most <= 120, most + ' threads');
      assert.ok(Object.values(lookups()).every(({ most }) => most === 1), 'each name once at a time');`,
    3_600_000,
  ));

test('R69 names without an answer are looked up again, each once at a time, and other names are served', (t) =>
  assertRuns(
    t,
    `
      const silent = Array.from({ length: 60 }, (_, n) => open('silent-' + (n % 20) + '.example'));
      silent.forEach(waits);
      await until(() => {
        const names = Object.entries(lookups()).filter(([name]) => name.startsWith('silent'));
        return names.length === 20 && names.every(([, { begun }]) => begun > 2);
      }, 'each name to be tried three times');
      assert.ok(Object.values(lookups()).every(({ most }) => most === 1));
      assert.equal(await get(open('works.example')), undefined);
      assert.ok(threads() - atFirst <= 60, threads() + ' threads');`,
    300,
  ));

test('R69 one answer serves all instances that wait for the name, and the next attempt looks it up again', (t) =>
  assertRuns(
    t,
    `
      const all = Array.from({ length: 200 }, () => open('slow.example'));
      for (const found of await Promise.all(all.map(get))) assert.equal(found, undefined);
      await until(() => lookups()['slow.example'].now === 0, 'the last lookup');
      const { begun, most } = lookups()['slow.example'];
      assert.equal(most, 1);
      assert.ok(begun <= 3, begun + ' lookups for 200 instances');
      assert.equal(await get(open('slow.example')), undefined);
      assert.equal(lookups()['slow.example'].begun, begun + 1, 'no answer is kept');`,
    700,
  ));
