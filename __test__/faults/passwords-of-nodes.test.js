'use strict';

// Functions that give the passwords of several servers: sentinels and the servers behind them, and the nodes of a cluster.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const { startCluster } = require('../support/cluster.js');
const { assertOutage, recovers, settled } = require('../support/faults.js');
const { listenTo } = require('../support/secrets.js');
const { startSentinels } = require('../support/sentinel.js');
const { freshName } = require('../support/targets.js');
const { waitUntil } = require('../support/wait-until.js');

const OF_SERVERS = 's3cret';
const OF_SENTINELS = 's3cret-too';

/** @type {Awaited<ReturnType<typeof startSentinels>>} */
let group;
/** @type {Awaited<ReturnType<typeof startCluster>>} */
let cluster;
before(async () => {
  const config = { requirepass: OF_SERVERS };
  [group, cluster] = await Promise.all([
    // No failover by itself, however busy the machine is.
    startSentinels({ replicas: 1, downAfter: 60_000, sentinelPassword: OF_SENTINELS, config }),
    startCluster({ replicas: 0, config }),
  ]);
});
after(async () => {
  await group?.stop();
  await cluster?.stop();
});

/** A function that gives a password or fails, and counts. */
function source(text) {
  const ask = async () => {
    ask.asked++;
    if (ask.error) throw ask.error;
    return ask.text;
  };
  return Object.assign(ask, { text, asked: 0, error: undefined });
}

/** An instance that ends with the test. */
function open(t, options) {
  const sessions = new SpotsSessions({
    // Beside an attempt that hangs for a tenth of connectTimeout, another one begins.
    ...{ commandTimeout: 20_000, connectTimeout: 200_000 },
    ...options,
  });
  t.after(() => sessions.close());
  return sessions;
}

const addresses = () => group.sentinels.map(({ host, port }) => `${host}:${port}`);
const clusterUrl = () => `redis-cluster://${cluster.nodes.map(({ address }) => address).join(',')}`;

for (const [label, where] of [
  ['a URL', () => ({ connectionString: `redis-sentinel://${addresses()}?name=${group.name}` })],
  ['an object', () => ({ sentinels: addresses(), name: group.name })],
]) {
  test(`R59 behind sentinels of ${label}, the servers and the sentinels have a function each`, async (t) => {
    const [password, sentinelPassword] = [source(OF_SERVERS), source(OF_SENTINELS)];
    const sessions = open(t, { ...where(), password, sentinelPassword });
    const app = freshName();
    await recovers(sessions, app);
    assert.equal(password.asked, 1);
    const asked = () => sentinelPassword.asked;
    // Each sentinel is asked for the primary, and is subscribed to.
    await waitUntil(() => asked() >= 4, 'the sentinels to be asked');

    const token = await sessions.create({ app, ownerId: 'ann' });
    for (let n = 0; n < 50; n++) await sessions.get({ app, token });
    assert.equal(password.asked, 1);
    await group.failover();
    await recovers(sessions, app);
    assert.ok(password.asked > 1);
  });
}

test('R59 a fixed password and a function work together behind sentinels', async (t) => {
  const where = { sentinels: addresses(), name: group.name };
  for (const passwords of [
    { password: OF_SERVERS, sentinelPassword: source(OF_SENTINELS) },
    { password: source(OF_SERVERS), sentinelPassword: OF_SENTINELS },
  ]) {
    await recovers(open(t, { ...where, ...passwords }), freshName());
  }
});

for (const name of ['password', 'sentinelPassword']) {
  test(`R59 an instance behind sentinels reports a \`${name}\` that fails, and works when it gives one`, async (t) => {
    const given = { password: source(OF_SERVERS), sentinelPassword: source(OF_SENTINELS) };
    const error = new Error('s3cret: no token');
    given[name].error = error;
    const sessions = open(t, { sentinels: addresses(), name: group.name, ...given });
    const [told] = await once(sessions, 'error');
    assert.equal(told.code, 'ERR_SESSIONS_CONNECTION');
    assert.match(told.message, new RegExp(`: the function \`${name}\` failed`));
    assert.equal(told.cause, error);
    given[name].error = undefined;
    await recovers(sessions, freshName());
  });
}

test('R59 a cluster asks once for each connection to a node, and not for each call', async (t) => {
  await Promise.all(cluster.nodes.map(({ redis }) => redis.config('RESETSTAT')));
  const password = source(OF_SERVERS);
  const sessions = open(t, { connectionString: clusterUrl(), password });
  const app = freshName();
  const owners = Array.from({ length: 100 }, (_, n) => `owner-${n}`);
  const tokens = await Promise.all(owners.map((ownerId) => sessions.create({ app, ownerId })));
  for (let n = 0; n < 5; n++) {
    const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
    assert.ok(found.every(Boolean));
  }
  // One connection for each of the three nodes, and a few that ask which node serves which slot.
  assert.ok(password.asked >= 4 && password.asked < 20, `${password.asked}`);
  const logins = async () => {
    const texts = await Promise.all(cluster.nodes.map(({ redis }) => redis.info('commandstats')));
    const counts = texts.map((text) => Number(/^cmdstat_auth:calls=(\d+)/m.exec(text)?.[1] ?? 0));
    return counts.reduce((sum, count) => sum + count);
  };
  await waitUntil(async () => (await logins()) === password.asked, 'a login for each question');
});

test('R59 while the function of a cluster fails, only calls to nodes without a connection fail', async (t) => {
  const password = source(OF_SERVERS);
  const sessions = open(t, { connectionString: clusterUrl(), password });
  const app = freshName();
  const owners = Array.from({ length: 50 }, (_, n) => `owner-${n}`);
  const tokens = await Promise.all(owners.map((ownerId) => sessions.create({ app, ownerId })));
  await sessions.close();

  const hasty = open(t, { connectionString: clusterUrl(), password, commandTimeout: 1000 });
  const getAll = () => Promise.all(tokens.map((token) => settled(hasty.get({ app, token }), 1000)));
  const work = async () => (await getAll()).every(({ value }) => value);
  await waitUntil(work, 'all nodes to be connected');

  password.error = new Error('s3cret: no token');
  const told = once(hasty, 'error');
  const [node] = cluster.nodes;
  const keys = new Set(await node.redis.keys(`*:${app}}:s:*`));
  assert.ok(keys.size > 0 && keys.size < tokens.length);
  await node.redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  for (let n = 0; n < 3; n++) {
    const failed = (await getAll()).filter(({ error }) => error);
    for (const { error } of failed) assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
    assert.equal(failed.length, keys.size);
  }
  assert.equal((await told)[0].cause, password.error);
  password.error = undefined;
  await waitUntil(work, 'all nodes to be connected again');
});

const USER = 'shop';

/** Where a function gives the password of a user of its own. */
const PLACES = {
  'the servers behind sentinels': {
    option: 'password',
    admins: () => group.nodes.map((node) => node.client()),
    options: () => ({
      ...{ sentinels: addresses(), name: group.name, sentinelPassword: OF_SENTINELS },
      username: USER,
    }),
  },
  'the sentinels': {
    option: 'sentinelPassword',
    admins: () => group.sentinels.map((each) => each.client({ password: OF_SENTINELS })),
    options: () => ({
      ...{ sentinels: addresses(), name: group.name, password: OF_SERVERS },
      sentinelUsername: USER,
    }),
  },
  'the nodes of a cluster': {
    option: 'password',
    admins: () => cluster.nodes.map((node) => node.client()),
    options: () => ({ cluster: cluster.nodes.map(({ address }) => address), username: USER }),
  },
};

for (const [label, { option, admins, options }] of Object.entries(PLACES)) {
  describe(`R59 a function that gives the password of ${label}`, () => {
    let servers;
    const setPassword = (text) =>
      Promise.all(
        servers.map((redis) =>
          redis.call('ACL', 'SETUSER', USER, 'reset', 'on', `>${text}`, '~*', '&*', '+@all'),
        ),
      );
    /** Closes all connections of the user. */
    const disconnect = () =>
      Promise.all(servers.map((redis) => redis.client('KILL', 'USER', USER)));
    /** How many connections the user has to each server. */
    const connections = async () => {
      const lists = await Promise.all(servers.map((redis) => redis.client('LIST')));
      return lists.map((text) => text.split(` user=${USER} `).length - 1);
    };
    before(async () => {
      servers = admins();
      await setPassword('s3cret');
    });
    after(() => {
      for (const redis of servers) redis.disconnect();
    });

    /** An instance whose events are checked when the test ends. */
    function listened(t, password, more) {
      const sessions = open(t, { ...options(), [option]: password, ...more });
      const { errors, assertNoneShows } = listenTo(sessions);
      t.after(assertNoneShows);
      const told = (isMeant) => waitUntil(() => errors.some(isMeant), 'the error event');
      return { sessions, errors, told };
    }

    test('may throw: each attempt fails with the cause, and the next one asks again', async (t) => {
      const thrown = new Error('s3cret: no token from the service');
      let [asked, works] = [0, false];
      const password = () => {
        asked++;
        if (works) return 's3cret';
        throw thrown;
      };
      const { sessions, errors, told } = listened(t, password, { commandTimeout: 1000 });
      await told(({ cause }) => cause === thrown);
      for (const { code, message } of errors) {
        assert.equal(code, 'ERR_SESSIONS_CONNECTION');
        assert.match(message, new RegExp(`: the function \`${option}\` failed`));
      }
      const app = freshName();
      const before = asked;
      await assertOutage(sessions, app, 1000, /^ERR_SESSIONS_CONNECTION$/);
      await waitUntil(() => asked > before, 'it to be asked again');
      works = true;
      await recovers(sessions, app);
    });

    test('may never answer: the attempt fails after connectTimeout, and the next one asks again', async (t) => {
      let [asked, works] = [0, false];
      const password = () => {
        asked++;
        return works ? 's3cret' : new Promise(() => {});
      };
      const timeouts = { connectTimeout: 1000, commandTimeout: 2000 };
      const { sessions, told } = listened(t, password, timeouts);
      const meant = `: the function \`${option}\` gave no answer within 1000 ms`;
      await told(({ code, message }) => {
        assert.equal(code, 'ERR_SESSIONS_CONNECTION');
        return message.includes(meant);
      });
      const app = freshName();
      const before = asked;
      await assertOutage(sessions, app, 2000, /^ERR_SESSIONS_CONNECTION$/);
      await waitUntil(() => asked > before, 'it to be asked again');
      works = true;
      await recovers(sessions, app);
    });

    test('may give a password that has expired: it is refused until the right one is given', async (t) => {
      let current = 'expired-s3cret';
      const { sessions, told } = listened(t, async () => current, { commandTimeout: 1000 });
      await told((error) => {
        assert.ok(!('cause' in error));
        return error.redisCode === 'WRONGPASS';
      });
      const app = freshName();
      await assertOutage(sessions, app, 1000, /^ERR_SESSIONS_REDIS$/);
      current = 's3cret';
      await recovers(sessions, app);
    });

    test('is asked again by the next connection after the password has changed', async (t) => {
      let [asked, current] = [0, 's3cret'];
      const password = async () => {
        asked++;
        return current;
      };
      const { sessions } = listened(t, password);
      t.after(() => setPassword('s3cret'));
      const app = freshName();
      const owners = Array.from({ length: 30 }, (_, n) => ({ app, ownerId: `owner-${n}` }));
      const tokens = await Promise.all(owners.map((owner) => sessions.create(owner)));
      const areFound = async () => {
        const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
        assert.ok(found.every(Boolean));
      };
      for (let n = 1; n <= 3; n++) {
        current = `s3cret-${n}`;
        await setPassword(current);
        await areFound(); // by the open connections
        const [before, used] = [asked, await connections()];
        await disconnect();
        await areFound();
        await waitUntil(async () => {
          const now = await connections();
          return asked > before && now.every((count, server) => count > 0 || !used[server]);
        }, 'new connections to all servers');
        await areFound();
      }
    });
  });
}
