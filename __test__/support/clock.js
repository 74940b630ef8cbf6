'use strict';

// A wall clock that a test can move, for a process that it starts.

const fs = require('node:fs');
const { join } = require('node:path');
const { temporaryFolder } = require('../../scripts/children.js');
const { compileLibrary } = require('./preload.js');

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

/**
 * The environment of a process whose wall clock can be moved, and `set`, which moves it. Undefined if this machine has no
 * C compiler.
 *
 * @param {import('node:test').TestContext} t
 */
function movableClock(t) {
  const library = compileLibrary(t, MOVABLE_CLOCK);
  if (!library) return undefined;
  const file = join(temporaryFolder('clock-'), 'clock');
  fs.writeFileSync(file, Buffer.alloc(8));
  const fd = fs.openSync(file, 'r+');
  t.after(() => fs.closeSync(fd));
  /** @param {number} seconds by which the clock is ahead of the real one */
  const set = (seconds) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    fs.writeSync(fd, bytes, 0, 8, 0);
  };
  return { env: { LD_PRELOAD: library, CLOCK_FILE: file }, set };
}

module.exports = { movableClock };
