'use strict';

// C libraries that replace system functions. Tests load them into processes with `LD_PRELOAD`.

const { join } = require('node:path');
const { spawnSync, temporaryFolder } = require('../../scripts/children.js');

/**
 * Compiles a library, which is removed with the temporary folders. Undefined if this machine cannot.
 *
 * @param {import('node:test').TestContext} _t
 * @param {string} source
 */
function compileLibrary(_t, source) {
  const library = join(temporaryFolder('preload-'), 'library.so');
  const args = ['-shared', '-fPIC', '-xc', '-o', library, '-', '-ldl', '-lpthread'];
  const { status } = spawnSync('cc', args, { input: source, stdio: ['pipe', 'ignore', 'ignore'] });
  return process.platform === 'linux' && status === 0 ? library : undefined;
}

/**
 * A library by which a process reaches this machine at another address of IPv4, as if it had a route of its own.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} address
 */
function compileRoute(t, address) {
  return compileLibrary(
    t,
    `
    #define _GNU_SOURCE
    #include <arpa/inet.h>
    #include <dlfcn.h>
    #include <netinet/in.h>
    #include <sys/socket.h>
    int connect(int fd, const struct sockaddr *to, socklen_t length) {
      static int (*real)(int, const struct sockaddr *, socklen_t);
      if (!real) real = dlsym(RTLD_NEXT, "connect");
      if (to->sa_family != AF_INET) return real(fd, to, length);
      struct sockaddr_in there = *(const struct sockaddr_in *)to;
      if (there.sin_addr.s_addr == inet_addr("${address}"))
        there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      return real(fd, (struct sockaddr *)&there, sizeof there);
    }`,
  );
}

module.exports = { compileLibrary, compileRoute };
