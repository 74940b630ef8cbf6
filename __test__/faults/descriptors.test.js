'use strict';

// A process that has run out of file descriptors: calls on open connections are answered, and other
// calls say what is missing.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { after, before, describe, test } = require('node:test');
const { spawnSync, temporaryFolder } = require('../../scripts/children.js');
const { startCluster } = require('../support/cluster.js');
const { freePort, startRedis } = require('../support/redis-server.js');
const { runScript } = require('../support/scripts.js');

const isWindows = process.platform === 'win32';
const file = (name) => join(__dirname, '..', 'certificates', name);

/** Runs a script with few descriptors, and asserts that it succeeds and prints this. */
async function assertPrints(code, given, printed) {
  const within = ['sh', '-c', 'ulimit -n 400 && exec "$@"', 'sh'];
  const { stdout, ...end } = await runScript(COMMON + code, { given, within });
  assert.deepEqual(end, { code: 0, signal: null, stderr: '' }, stdout);
  assert.equal(stdout, printed);
}

/** What the scripts have in common. */
const COMMON = `
  const fs = require('node:fs');
  const http = require('node:http');
  const { once } = require('node:events');
  const assert = require('node:assert/strict');
  const app = 'descriptors';
  const times = (count, make) => Promise.all(Array.from({ length: count }, (_, n) => make(n)));
  const taken = [];
  /** Takes all descriptors that are left. */
  const takeAll = () => {
    try {
      for (;;) taken.push(fs.openSync('/dev/null'));
    } catch ({ code }) {
      assert.equal(code, 'EMFILE');
    }
  };
  const giveBack = () => {
    for (const descriptor of taken.splice(0)) fs.closeSync(descriptor);
  };`;

/** A connected instance, and the clients that watch its servers. */
const CONNECTED = `
  const open = () => new SpotsSessions({ commandTimeout: 20_000, ...given.options });
  const sessions = open();
  let admins = [sessions.client];
  /** All connections that the servers have, and how many they ever had. */
  const connections = async () => {
    const lists = await Promise.all(admins.map((admin) => admin.client('LIST')));
    const infos = await Promise.all(admins.map((admin) => admin.info('stats')));
    return [
      lists.map((list) => list.split('\\n').filter((line) => !/ cmd=cluster/.test(line))
        .map((line) => line.split(' ')[0])),
      infos.map((info) => /total_connections_received:\\d+/.exec(info)[0]),
    ];
  };
  /** Creates enough sessions that each node has one. */
  const create = (length = 10) => times(64, (n) =>
    sessions.create({ app, ownerId: String(n), data: { n, text: 'x'.repeat(length) } }));
  let tokens;
  const get = async (n, from = sessions) => {
    const { data } = await from.get({ app, token: tokens[n % 64] });
    assert.equal(data.n, n % 64);
  };
  const connect = async () => {
    if (given.options.connectionString?.startsWith('redis-cluster:')) {
      await sessions.client.ping();
      admins = sessions.client.nodes('master');
    }
    tokens = await create();
    await times(64, (n) => get(n));
  };`;

const kinds = {
  TCP: async () => {
    const server = await startRedis();
    return { server, options: { connectionString: server.url } };
  },
  'a unix socket': async () => {
    const server = await startRedis({ unixSocket: true });
    return { server, options: { path: server.unixSocket } };
  },
  TLS: async () => {
    const port = await freePort();
    const config = {
      'tls-port': port,
      'tls-cert-file': file('server.crt'),
      'tls-key-file': file('server.key'),
      'tls-ca-cert-file': file('authority.crt'),
      'tls-auth-clients': 'no',
    };
    const tls = { ca: readFileSync(file('authority.crt'), 'utf8') };
    const connectionString = `rediss://localhost:${port}`;
    return { server: await startRedis({ config }), options: { connectionString, tls } };
  },
  'a Cluster': async () => {
    const server = await startCluster({ primaries: 3, replicas: 0 });
    return { server, options: { connectionString: server.url } };
  },
};

for (const [kind, start] of Object.entries(kinds)) {
  describe(`R85 ${kind}: when all descriptors are taken after connecting`, {
    skip: isWindows,
  }, () => {
    let server;
    let options;
    before(async () => {
      ({ server, options } = await start());
    });
    after(() => server?.stop());

    const isAnswered = (code) => assertPrints(CONNECTED + code, { options }, 'answered\n');

    test('calls, alone and up to 1,000 at once, are answered on the open connections', () =>
      isAnswered(
        `
        (async () => {
          await connect();
          const [before] = [await connections(), takeAll()];
          for (let round = 0; round < 3; round++) {
            for (const count of [1, 1, 64, 65, 1, 200, 1, 1000, 1]) await times(count, get);
            await sessions.update({ app, token: tokens[0], data: { round } });
          }
          assert.deepEqual(await connections(), before);
          await sessions.close();
          console.log('answered');
          process.exit();
        })();`,
      ));

    test('the first calls of a connected instance are answered', () =>
      isAnswered(
        `
        (async () => {
          await connect();
          const late = [open(), open()];
          await Promise.all(late.map((instance) => once(instance, 'ready')));
          ${kind === 'a Cluster' ? 'await times(64, (n) => get(n, late[0])); await times(64, (n) => get(n, late[1]));' : ''}
          const [before] = [await connections(), takeAll()];
          await get(0, late[0]);
          await times(200, (n) => get(n, late[1]));
          assert.deepEqual(await connections(), before);
          console.log('answered');
          process.exit();
        })();`,
      ));

    test('requests and replies that are longer than a socket buffer are written and read', () =>
      isAnswered(
        `
        (async () => {
          await connect();
          const [before] = [await connections(), takeAll()];
          tokens = await create(300_000);
          for (const count of [1, 64, 128, 1]) await times(count, get);
          assert.deepEqual(await connections(), before);
          console.log('answered');
          process.exit();
        })();`,
      ));

    test('an HTTP server that uses sessions answers its requests', () =>
      isAnswered(
        `
        const server = http.createServer(async (request, response) => {
          await get(Number(request.url.slice(1)));
          response.end('ok');
        });
        const agent = new http.Agent({ keepAlive: true, maxSockets: 100 });
        const request = async (n) => {
          const sent = http.get({ agent, port: server.address().port, path: '/' + n });
          const [response] = await once(sent, 'response');
          let text = '';
          for await (const chunk of response) text += chunk;
          assert.equal(text, 'ok');
        };
        (async () => {
          await connect();
          server.keepAliveTimeout = 0;
          await once(server.listen(0, '127.0.0.1'), 'listening');
          await times(100, request);
          const [before] = [await connections(), takeAll()];
          for (let round = 0; round < 3; round++)
            for (const count of [1, 8, 64, 200, 1000, 1]) await times(count, request);
          assert.deepEqual(await connections(), before);
          console.log('answered');
          process.exit();
        })();`,
      ));
  });
}

describe('R86 when all descriptors are taken before connecting', { skip: isWindows }, () => {
  const servers = {};
  before(async () => {
    for (const [kind, start] of Object.entries(kinds)) servers[kind] = await start();
    const { port } = servers.TCP.server;
    servers['a name'] = { options: { host: 'localhost', port } };
  });
  after(() => Promise.all(Object.values(servers).map(({ server }) => server?.stop())));

  for (const kind of [...Object.keys(kinds), 'a name']) {
    test(`${kind}: calls wait, reject with the reason and the remedy, and succeed once descriptors are free again`, () =>
      assertPrints(
        `
        (async () => {
          // The I/O thread has started and has its descriptors.
          const first = new SpotsSessions({ port: 1, commandTimeout: 1 });
          await first.create({ app, ownerId: 'ann' }).catch(() => {});
          takeAll();
          const open = (commandTimeout) => new SpotsSessions({ ...given.options, commandTimeout });
          const request = { app, ownerId: 'ann' };
          const { code, message } = await open(1000).create(request).catch((error) => error);
          console.log(code, message.replace(/^.*: (?=too)/, ''));
          const patient = open(20_000);
          const events = once(patient, 'error');
          const waiting = patient.create(request);
          await events;
          giveBack();
          const token = await waiting;
          console.log((await patient.get({ app, token })).ownerId);
          process.exit();
        })();`,
        { options: servers[kind].options },
        'ERR_SESSIONS_CONNECTION too many open files (raise the limit of this process: ulimit -n)\nann\n',
      ));
  }

  test('the constructor of the first instance throws with the reason, and the next instance works', () =>
    assertPrints(
      `
      (async () => {
        takeAll();
        try {
          new SpotsSessions(given.options);
        } catch ({ cause }) {
          console.log(cause.message);
        }
        giveBack();
        console.log(typeof (await new SpotsSessions(given.options).create({ app, ownerId: 'ann' })));
        process.exit();
      })();`,
      { options: servers.TCP.options },
      'too many open files (raise the limit of this process: ulimit -n)\nstring\n',
    ));
});

/** Refuses to watch the I/O thread's sockets once a file exists, as if max_user_watches were reached. */
const NO_WATCHES = `
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <errno.h>
  #include <pthread.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/epoll.h>
  #include <unistd.h>
  int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    static int (*real)(int, int, int, struct epoll_event *);
    if (!real) real = dlsym(RTLD_NEXT, "epoll_ctl");
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (operation == EPOLL_CTL_ADD && !strcmp(name, "spots-sessions") &&
        access(getenv("NO_WATCHES"), F_OK) == 0) {
      errno = ENOSPC;
      return -1;
    }
    return real(epoll, operation, fd, event);
  }`;

test('R89 when the system watches no more sockets, calls on open connections are answered, and others say what is missing', async (t) => {
  const folder = temporaryFolder('watches-');
  const library = join(folder, 'watches.so');
  const { status } = spawnSync('cc', ['-shared', '-fPIC', '-xc', '-o', library, '-', '-ldl'], {
    input: NO_WATCHES,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  if (process.platform !== 'linux' || status !== 0)
    return t.skip('no C compiler to refuse them by');
  const server = await startRedis();
  t.after(() => server.stop());
  const code = `
    (async () => {
      await connect();
      const before = await connections();
      fs.writeFileSync(process.env.NO_WATCHES, '');
      for (let round = 0; round < 3; round++)
        for (const count of [1, 64, 65, 1000, 1]) await times(count, get);
      assert.deepEqual(await connections(), before);
      const { message } = await new SpotsSessions({ commandTimeout: 1000, ...given.options })
        .create({ app, ownerId: 'ann' }).catch((error) => error);
      console.log(message.replace(/^.*: (?=too)/, ''));
      process.exit();
    })();`;
  const env = { LD_PRELOAD: library, NO_WATCHES: join(folder, 'from-now-on') };
  const given = { options: { connectionString: server.url } };
  const { stdout, ...end } = await runScript(COMMON + CONNECTED + code, { given, env });
  assert.deepEqual(end, { code: 0, signal: null, stderr: '' }, stdout);
  assert.equal(
    stdout,
    'too many sockets are watched (raise the limit: fs.epoll.max_user_watches)\n',
  );
});
