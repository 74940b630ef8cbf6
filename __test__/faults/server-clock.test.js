'use strict';

// A server whose clock is wrong for a while, as after a host was moved or its time was set by hand.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { temporaryFolder } = require('../../scripts/children.js');
const { faultyServer } = require('../support/faults.js');
const { indexKey } = require('../support/keys.js');
const { compileLibrary } = require('../support/preload.js');
const { waitUntil } = require('../support/wait-until.js');

/** A clock that is off by the seconds that a file holds, as an integer of 64 bits. */
const MOVABLE_CLOCK = `
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <fcntl.h>
  #include <stdint.h>
  #include <stdlib.h>
  #include <sys/mman.h>
  #include <sys/time.h>
  #include <time.h>
  static int64_t offset(void) {
    static volatile int64_t *file;
    if (!file) {
      int fd = open(getenv("CLOCK_FILE"), O_RDONLY);
      void *map = fd < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
      if (map == MAP_FAILED) abort();
      file = map;
    }
    return *file;
  }
  int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, at);
    if (id == CLOCK_REALTIME) at->tv_sec += offset();
    return result;
  }
  int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return result;
  }
  time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
  }`;

const OWNERS = 40;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** Jumps of the clock, and durations of sessions: seconds. Each session lives at least half a jump. */
const ROWS = [
  [HOUR, 31 * MINUTE],
  [HOUR, 45 * MINUTE],
  [HOUR, HOUR],
  [HOUR, 2 * HOUR],
  [HOUR, Number.POSITIVE_INFINITY],
  [20 * MINUTE, 11 * MINUTE],
  [20 * MINUTE, 19 * MINUTE],
];

for (const [jump, duration] of ROWS) {
  test(`R55 killAll misses no session of ${duration} s after the server's clock was ${jump} s ahead for a while`, async (t) => {
    const library = compileLibrary(t, MOVABLE_CLOCK);
    if (!library) return t.skip('no C compiler for a clock that can be moved');
    const file = join(temporaryFolder('clock-'), 'clock');
    fs.writeFileSync(file, Buffer.alloc(8));
    const fd = fs.openSync(file, 'r+');
    t.after(() => fs.closeSync(fd));
    const env = { LD_PRELOAD: library, CLOCK_FILE: file };
    const { open, app, redis } = await faultyServer(t, { env });
    const now = async () => Number((await redis.time())[0]);
    const setClock = (seconds) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(seconds));
      fs.writeSync(fd, bytes, 0, 8, 0);
    };
    const sessions = open();
    const create = (ownerId) => sessions.create({ app, ownerId, data: {}, duration });
    const owners = times(OWNERS, (n) => `owner ${n}`);
    const old = await Promise.all(owners.map(create));

    const real = await now();
    setClock(jump);
    await waitUntil(async () => (await now()) - real >= jump, 'the clock to be ahead');
    const late = await Promise.all(owners.map(create));
    setClock(0);
    await waitUntil(async () => (await now()) - real < jump, 'the clock to be right again');

    for (const [n, ownerId] of owners.entries()) {
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      for (const token of [old[n], late[n]])
        assert.equal(await sessions.get({ app, token }), undefined, 'it survived killAll');
      assert.equal(await redis.exists(indexKey(app, ownerId)), 0);
    }
    assert.deepEqual(await redis.keys(`*${app}*`), []);
  });
}
