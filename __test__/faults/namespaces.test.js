'use strict';

// Faults that need a network of their own: silent partitions, in which nothing is refused or closed,
// and host names that change their address.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { long } = require('../support/faults.js');
const { runInNamespaces, whyNoNamespaces } = require('../support/namespaces.js');

const reason = whyNoNamespaces();
const skip = reason ?? false;
const named = (name) => (reason ? `${name} (skipped: ${reason})` : name);

async function assertRuns(body, given) {
  const { code, signal, stdout, stderr } = await runInNamespaces(body, given);
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' }, stdout);
}

/** A server in another network, at 10.99.0.2, and a link to it that can be cut silently. */
const OTHER_NETWORK = `
  const assert = require('node:assert/strict');
  const { spawn } = require('node:child_process');
  const { once } = require('node:events');
  const { setTimeout: sleep } = require('node:timers/promises');
  const { assertOutage, recovers, settled } = support('faults.js');
  const { waitUntil } = support('wait-until.js');
  // Its shell ends with this process, however that ends, and the server with it.
  const there = spawn('unshare', ['--net', 'sh'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let heard = '';
  there.stdout.setEncoding('utf8').on('data', (text) => { heard += text; });
  let lines = 0;
  const tell = async (line) => {
    const said = 'line ' + ++lines + ' done';
    there.stdin.write(line + '\\necho ' + said + '\\n');
    await waitUntil(() => heard.includes(said), line);
  };
  await tell("trap 'kill -9 $!' EXIT");
  sh('ip link add here type veth peer name there netns ' + there.pid +
    ' && ip addr add 10.99.0.1/24 dev here && ip link set here up');
  await tell('ip link set lo up; ip addr add 10.99.0.2/24 dev there; ip link set there up');
  const mac = (await tell('cat /sys/class/net/there/address 2>/dev/null || ip -o link show there'), heard)
    .match(/([0-9a-f]{2}:){5}[0-9a-f]{2}/)[0];
  // Without it ARP would fail, and the kernel would report that the host is unreachable.
  sh('ip neigh replace 10.99.0.2 lladdr ' + mac + ' dev here nud permanent');
  const server = process.env.REDIS_SERVER ?? 'redis-server';
  const start = () => tell(server + ' --port 6379 --bind 10.99.0.2 --save "" --protected-mode no' +
    ' > /dev/null &');
  const cut = () => tell('ip link set there down');
  const heal = () => tell('ip link set there up');
  const open = (settings) => new SpotsSessions({ connectionString: 'redis://10.99.0.2', ...settings });
  const app = 'app';
  await start();
  const create = (sessions, n) => sessions.create({ app, ownerId: 'ann', data: { n } });
  await create(open({ commandTimeout: 30_000 }), 0);`;

test(
  named(
    'R12 while the network drops every attempt to connect, calls reject at their deadline, and work afterwards',
  ),
  { skip },
  () =>
    assertRuns(`${OTHER_NETWORK}
    await cut();
    const sessions = open({ commandTimeout: 800, connectTimeout: 500 });
    await assertOutage(sessions, app, 800, /^ERR_SESSIONS_CONNECTION$/);
    const { error } = await settled(create(sessions, 1), 800);
    assert.match(error.message, /10\\.99\\.0\\.2:6379: .*(no answer|timed out)/);
    await heal();
    await recovers(sessions, app);`),
);

test(
  named(
    'R13 a connection whose server died behind a cut network is replaced, and calls work again',
  ),
  { skip },
  () =>
    assertRuns(`${OTHER_NETWORK}
    const sessions = open({ commandTimeout: 800, connectTimeout: 500 });
    await recovers(sessions, app);
    const token = await create(sessions, 1);
    await cut();
    await assertOutage(sessions, app, 800, /^ERR_SESSIONS_(TIMEOUT|CONNECTION)$/);
    // The new server does not know the connection, and its reset cannot get through.
    await tell('kill -9 $!; wait 2> /dev/null; true');
    await start();
    await assertOutage(sessions, app, 800, /^ERR_SESSIONS_(TIMEOUT|CONNECTION)$/);
    await heal();
    await recovers(sessions, app);
    assert.equal(await sessions.get({ app, token }), undefined, 'gone with the server');`),
);

test(
  named(
    'R14 calls in flight when the network is cut settle, and their answers are true once it is back',
  ),
  { skip },
  () =>
    assertRuns(
      `${OTHER_NETWORK}
    const sessions = open({ commandTimeout: 1000, connectTimeout: 500 });
    await recovers(sessions, app);
    const patient = open({ commandTimeout: 30_000 });
    const tokens = await Promise.all(Array.from({ length: 200 }, (_, n) => create(patient, n)));
    const calls = [];
    const partition = cut();
    for (let n = 0; n < 200; n++) {
      const request = { app, token: tokens[n], data: { again: n } };
      calls.push(settled(n % 2 ? sessions.kill(request) : sessions.update(request), 1000));
    }
    await partition;
    const until = Date.now() + given.partition;
    while (Date.now() < until) {
      const { error } = await settled(create(sessions, -1), 1000);
      assert.match(error.code, /TIMEOUT|CONNECTION/);
    }
    await heal();
    await recovers(sessions, app);
    for (const [n, { value, error }] of (await Promise.all(calls)).entries()) {
      assert.notEqual(value, false);
      const found = await sessions.get({ app, token: tokens[n] });
      if (error) assert.match(error.code, /TIMEOUT|CONNECTION/);
      else if (n % 2) assert.equal(found, undefined);
      else assert.equal(found.data.again, n);
      if (found) assert.equal(found.data.n, n);
    }`,
      { partition: long ? 30_000 : 3000 },
    ),
);

/** Host names come from a hosts file of the test, and the name server never answers. */
const OWN_NAMES = `
  const assert = require('node:assert/strict');
  const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
  const os = require('node:os');
  const { assertOutage, recovers, settled } = support('faults.js');
  const { startRedis, waitUntil } = support('redis-server.js');
  const folder = mkdtempSync(os.tmpdir() + '/sessions-names-');
  process.once('exit', () => rmSync(folder, { recursive: true }));
  const hosts = (text) => writeFileSync(folder + '/hosts', text);
  hosts('');
  writeFileSync(folder + '/resolv.conf', 'nameserver 127.0.0.53\\noptions timeout:1 attempts:1\\n');
  for (const name of ['hosts', 'resolv.conf'])
    sh('mount --bind ' + folder + '/' + name + ' /etc/' + name);
  const server = await startRedis({ config: { bind: ['127.0.0.1', '-::1'] } });
  const open = (host, settings) =>
    new SpotsSessions({ connectionString: 'redis://' + host + ':' + server.port, ...settings });
  const app = 'app';`;

test(
  named('R34 a host name is looked up at each attempt, so a new address is found'),
  { skip },
  () =>
    assertRuns(`${OWN_NAMES}
    hosts('127.0.0.1 redis.example\\n');
    const sessions = open('redis.example', { commandTimeout: 20_000 });
    const old = await sessions.create({ app, ownerId: 'ann' });
    const other = require('node:child_process').spawn(process.env.REDIS_SERVER ?? 'redis-server',
      ['--port', server.port, '--bind', '127.0.0.2', '--save', ''], { stdio: 'ignore' });
    process.once('exit', () => other.kill('SIGKILL'));
    hosts('127.0.0.2 redis.example\\n');
    await server.down();
    await recovers(sessions, app);
    assert.equal(await sessions.get({ app, token: old }), undefined, 'it is the other server');`),
);

test(
  named('R34 calls to an unknown host name reject with that name, and work once it is known'),
  { skip },
  () =>
    assertRuns(`${OWN_NAMES}
    const sessions = open('later.example', { commandTimeout: 400 });
    await assertOutage(sessions, app, 400, /^ERR_SESSIONS_CONNECTION$/);
    const { error } = await settled(sessions.create({ app, ownerId: 'ann' }), 400);
    assert.ok(error.message.includes('later.example:' + server.port), error.message);
    hosts('127.0.0.1 later.example\\n');
    await recovers(sessions, app);`),
);

test(named('R34 a host name that has only an IPv6 address works'), { skip }, () =>
  assertRuns(`${OWN_NAMES}
    const loopback = Object.values(os.networkInterfaces()).flat();
    if (!loopback.some(({ address }) => address === '::1')) return;
    hosts('::1 six.example\\n');
    await recovers(open('six.example', { commandTimeout: 2000 }), app);`),
);

test(named('R34 a silent name server holds up only the instance that asks it'), { skip }, () =>
  assertRuns(`${OWN_NAMES}
    const silent = require('node:dgram').createSocket('udp4');
    let asked = 0;
    silent.on('message', () => asked++).bind(53, '127.0.0.53');
    const other = open('127.0.0.1', { commandTimeout: 5000 });
    await other.create({ app, ownerId: 'ann' });
    const slow = open('slow.example', { commandTimeout: 3000 });
    let slowEnded = false;
    const outage = assertOutage(slow, app, 3000, /^ERR_SESSIONS_CONNECTION$/).then(() => {
      slowEnded = true;
    });
    await waitUntil(() => asked > 0, 'the name server to be asked');
    for (let n = 0; n < 50; n++) await other.create({ app, ownerId: 'ann' });
    assert.equal(slowEnded, false, 'others went on meanwhile');
    await outage;
    hosts('127.0.0.1 slow.example\\n');
    await recovers(slow, app);`),
);
