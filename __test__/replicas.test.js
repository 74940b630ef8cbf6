'use strict';

// `readFrom: 'replica'`: what is read from replicas, when the primary is asked all the same, and what
// happens if a replica is gone, hangs or lags.

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const { startCluster } = require('./support/cluster.js');
const { idOf, pointersKey, sessionKey } = require('./support/keys.js');
const { hasReplicated } = require('./support/replicated.js');
const { startSentinels } = require('./support/sentinel.js');
const { freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');
const { SpotsSessions } = require('../index.js');

const app = 'app';

/** GETs that a server has carried out. @param {import('ioredis').Redis} redis */
const gets = (redis) => count(redis, /cmdstat_get:calls=(\d+)/);

/** Commands that a server has carried out, without those that keep up connections, replication and the cluster. */
async function work(redis) {
  const lines = (await redis.info('commandstats')).matchAll(/^cmdstat_([^:|]+)[^:]*:calls=(\d+)/gm);
  const isWork = ([, name]) => !UPKEEP.includes(name);
  return [...lines].filter(isWork).reduce((sum, [, , calls]) => sum + Number(calls), 0);
}
const UPKEEP =
  'info ping role replconf psync hello auth client readonly cluster config command select publish subscribe'.split(
    ' ',
  );

/** GETs that a server has refused. @param {import('ioredis').Redis} redis */
const refusals = (redis) => count(redis, /cmdstat_get:.*rejected_calls=(\d+)/);

/** @param {import('ioredis').Redis} redis @param {RegExp} what */
async function count(redis, what) {
  const [, calls = '0'] = what.exec(await redis.info('commandstats')) ?? [];
  return Number(calls);
}

for (const [target, start] of [
  // No failover: a busy machine could start one, and these tests are not about it.
  ['sentinel', () => startSentinels({ replicas: 1, sentinels: 3, downAfter: 60_000 })],
  ['cluster', () => startCluster({ primaries: 3, replicas: 1, downAfter: 5000 })],
]) {
  describe(target, () => {
    let servers;
    let writer;
    let reader;
    let primaries;
    let replicas;
    before(async () => {
      servers = await start();
      const options = { connectionString: servers.url };
      // The changes of the writer are not those of the reader, as if it were in another process.
      writer = new SpotsSessions(options);
      reader = new SpotsSessions({ ...options, readFrom: 'replica' });
      const nodes = { replicas: await servers.replicas(), primaries: [] };
      nodes.primaries = servers.primaries ? await servers.primaries() : [await servers.primary()];
      primaries = nodes.primaries.map((node) => node.client());
      replicas = nodes.replicas.map((node) => node.client());
      await waitUntil(async () => {
        const before = await total(replicas);
        await Promise.all((await create(30)).map((token) => reader.get({ app, token })));
        return (await total(replicas)) > before;
      }, 'a replica to be read from');
    });
    after(async () => {
      await Promise.all([writer?.close(), reader?.close()]);
      await servers?.stop();
    });

    // A sentinel group itself pauses and resumes its servers. In a cluster the nodes do.
    const does = (what) => (node) => (servers[what] ? servers[what](node) : node[what]());
    const [pause, resume, kill] = ['pause', 'resume', 'kill'].map(does);
    const total = async (clients, what = gets) =>
      (await Promise.all(clients.map(what))).reduce((sum, count) => sum + count, 0);
    const everyReplica = (...command) =>
      Promise.all(replicas.map((redis) => redis.call(...command)));
    /** Cuts the replicas off: they can no longer log in to their primary. */
    const cutOff = async () => {
      await everyReplica('CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'x');
      await everyReplica('CLIENT', 'KILL', 'TYPE', 'master');
    };
    const reconnect = () => everyReplica('CONFIG', 'SET', 'masteruser', '', 'masterauth', '');
    const areFound = async (tokens) => {
      const found = await Promise.all(tokens.map((token) => reader.get({ app, token })));
      assert.ok(found.every((session, n) => session?.data.n === n));
    };
    // For owners whose sessions no other test has changed.
    const create = (count, prefix = freshName('owner')) =>
      Promise.all(
        Array.from({ length: count }, (_, n) =>
          writer.create({ app, ownerId: `${prefix}-${n}`, data: { n } }),
        ),
      );
    /** Lets the replicas hear of nothing until the test ends. */
    const lag = async (t) => {
      await Promise.all(replicas.map((redis) => redis.client('PAUSE', 60_000, 'WRITE')));
      t.after(() => Promise.all(replicas.map((redis) => redis.client('UNPAUSE'))));
    };
    const replicated = () =>
      Promise.all(primaries.map((redis) => hasReplicated(redis, { atLeast: 0 })));

    test('get reads from replicas, and only get does', async () => {
      const tokens = await create(50);
      await replicated();
      const primariesBefore = await total(primaries);
      const replicasBefore = await total(replicas);
      const found = await Promise.all(tokens.map((token) => reader.get({ app, token })));
      assert.ok(found.every(({ data }, n) => data.n === n));
      assert.equal((await total(primaries)) - primariesBefore, 0);
      assert.equal((await total(replicas)) - replicasBefore, 50);
      const updated = tokens.map((token) => reader.update({ app, token, data: { more: true } }));
      assert.ok((await Promise.all(updated)).every(Boolean));
      const killed = tokens.map((token) => reader.kill({ app, token }));
      assert.ok((await Promise.all(killed)).every(Boolean));
    });

    test('info and list are answered by the primary alone, also if replicas lag', async (t) => {
      const prefix = freshName('owner');
      const tokens = await create(20, prefix);
      const owners = tokens.map((_, n) => ({ app, ownerId: `${prefix}-${n}` }));
      await replicated();
      const before = await total(replicas, work);
      for (let round = 0; round < 3; round++) {
        const infos = tokens.map((token) => reader.info({ app, token }));
        const lists = owners.map((owner) => reader.list(owner));
        const found = [...(await Promise.all(infos)), ...(await Promise.all(lists)).flat()];
        assert.deepEqual(
          found.map(({ data }) => data.n),
          [...tokens.keys(), ...tokens.keys()],
        );
      }
      assert.equal((await total(replicas, work)) - before, 0);

      await lag(t);
      const changes = tokens.map((token, n) =>
        n % 2 ? writer.kill({ app, token }) : writer.update({ app, token, data: { n: 'new' } }),
      );
      assert.ok((await Promise.all(changes)).every(Boolean));
      await areFound(tokens); // as they were, on the replicas
      for (const [n, token] of tokens.entries()) {
        const expected = n % 2 ? undefined : 'new';
        assert.equal((await reader.info({ app, token }))?.data.n, expected);
        assert.equal((await reader.list(owners[n]))[0]?.data.n, expected);
      }
    });

    test('a session that a replica does not have is looked up on the primary', async () => {
      await Promise.all(replicas.map((redis) => redis.client('PAUSE', 300, 'WRITE')));
      for (let round = 0; round < 20; round++) {
        const tokens = await create(10);
        const found = await Promise.all(tokens.map((token) => reader.get({ app, token })));
        assert.ok(found.every((session) => session !== undefined));
      }
    });

    test('an instance reads its own changes at once from a replica that lags, and those of others later', async (t) => {
      const prefix = freshName('owner');
      const tokens = await create(30, prefix);
      await replicated();
      await lag(t);
      for (const [n, token] of tokens.entries()) {
        const ownerId = `${prefix}-${n}`;
        if (n % 4 === 0) assert.equal(await reader.killAll({ app, ownerId }), true);
        if (n % 4 === 1) assert.equal(await reader.kill({ app, token }), true);
        if (n % 4 === 2) await reader.update({ app, token, data: { n: 'new' } });
        if (n % 4 === 3) assert.equal(await writer.kill({ app, token }), true);
        const expected = [undefined, undefined, 'new', n][n % 4];
        assert.equal((await reader.get({ app, token }))?.data.n, expected);
      }
      await Promise.all(replicas.map((redis) => redis.client('UNPAUSE')));
      const [token] = tokens.slice(3);
      const isGone = async () => (await reader.get({ app, token })) === undefined;
      await waitUntil(isGone, 'the replicas to hear of what was killed');
    });

    test('an instance sees at once what it has rotated, ended by id, or ended for another session', async (t) => {
      /** Each with what it makes of an owner's two sessions: those that are open afterwards. */
      const CHANGES = {
        rotate: async (_owner, token, other) => [await reader.rotate({ app, token }), other],
        'kill by id': async (owner, token, other) => {
          assert.equal(await reader.kill({ ...owner, id: idOf(token) }), true);
          return [other];
        },
        'killAll except': async (owner, _token, other) => {
          assert.equal(await reader.killAll({ ...owner, except: other }), true);
          return [other];
        },
        'create with maxSessions': async (owner, _token, other) => [
          await reader.create({ ...owner, maxSessions: 2, duration: 900 }),
          other,
        ],
      };
      const rows = [];
      for (const [label, change] of Object.entries(CHANGES)) {
        for (let n = 0; n < 8; n++) {
          const owner = { app, ownerId: freshName('owner') };
          const token = await writer.create({ ...owner, duration: 300 });
          const other = await writer.create({ ...owner, duration: 600 });
          rows.push({ label, change, owner, token, other });
        }
      }
      const [stale] = await create(1);
      await replicated();
      await lag(t);
      assert.equal(await writer.kill({ app, token: stale }), true);
      for (const { label, change, owner, token, other } of rows) {
        const open = await change(owner, token, other);
        assert.equal(await reader.get({ app, token }), undefined, label);
        for (const each of open) assert.ok(await reader.get({ app, token: each }), label);
      }
      assert.ok(await reader.get({ app, token: stale }), 'the replicas did not hear of it');
    });

    test('a replica that has lost its primary is soon not read from any more', async () => {
      const [token] = await create(1);
      await replicated();
      await cutOff();
      assert.equal(await writer.kill({ app, token }), true);
      const isGone = async () => (await reader.get({ app, token })) === undefined;
      await waitUntil(isGone, 'the primary to be asked');
      await reconnect();
      await waitUntil(async () => {
        const before = await total(replicas);
        await areFound(await create(5));
        return (await total(replicas)) > before;
      }, 'a replica to be read from');
    });

    test('a replica that refuses calls is asked rarely until it serves again', async () => {
      const tokens = await create(30);
      await replicated();
      const before = await total(replicas, refusals);
      await everyReplica('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
      await cutOff();
      for (let round = 0; round < 20; round++) await areFound(tokens);
      const refused = (await total(replicas, refusals)) - before;
      assert.ok(refused < 200, `${refused} of 600 refused`);
      await everyReplica('CONFIG', 'SET', 'replica-serve-stale-data', 'yes');
      await reconnect();
      await waitUntil(async () => {
        const before = await total(replicas);
        await areFound(tokens);
        return (await total(replicas)) > before;
      }, 'a replica to be read from');
    });

    test('after killAll, sessions of that owner whose token is foreign are read from the primary', async () => {
      const client = servers.client();
      const session = { app, ownerId: freshName('owner'), token: freshName('a-foreign-token') };
      const more = { data: { n: 1 }, durationMs: 600_000, replace: true };
      assert.equal(await foreign.create(writer, { ...session, ...more }), true);
      await replicated();
      await Promise.all(replicas.map((redis) => redis.client('PAUSE', 60_000, 'WRITE')));
      // Another process ends it, and its pointer. So this one's killAll changes nothing on the route of the token.
      assert.equal(await writer.kill(session), true);
      const { ownerId, token } = session;
      await waitUntil(
        async () => !(await client.exists(pointersKey(app, ownerId))),
        'the pointer to be dropped',
      );
      assert.equal((await reader.get({ app, token })).data.n, 1, 'the replicas lag');
      assert.equal(await reader.killAll({ app, ownerId }), false);
      assert.equal(await reader.get({ app, token }), undefined);
      await Promise.all(replicas.map((redis) => redis.client('UNPAUSE')));
    });

    if (target === 'sentinel')
      test('a record that is corrupt only on a replica is read from the primary', async () => {
        const prefix = freshName('owner');
        const tokens = await create(3, prefix);
        await replicated();
        await everyReplica('CONFIG', 'SET', 'replica-read-only', 'no');
        const [garbage, list] = tokens.map((token, n) => sessionKey(app, `${prefix}-${n}`, token));
        await everyReplica('SET', garbage, 'garbage');
        await everyReplica('DEL', list);
        await everyReplica('LPUSH', list, 'an item');
        await everyReplica('CONFIG', 'SET', 'replica-read-only', 'yes');
        await areFound(tokens);
      });

    if (target === 'cluster')
      test('a replica that follows another primary is read from for that one', async () => {
        const tokens = await create(100);
        const [node] = await servers.replicas();
        const nodes = await servers.primaries();
        const follows = await Promise.all(nodes.map((primary) => servers.replicas(primary)));
        const old = nodes.find((_, n) => follows[n].includes(node));
        for (const primary of [nodes.find((other) => other !== old), old]) {
          await node.follow(primary);
          await servers.settled();
          await replicated();
          await waitUntil(async () => {
            const before = await total(replicas, refusals);
            await areFound(tokens);
            return (await total(replicas, refusals)) === before;
          }, 'no replica to be asked for what it does not have');
        }
      });

    test('gets succeed if a replica is gone or hangs, and no event is emitted', async () => {
      const heard = [];
      for (const event of ['ready', 'reconnecting', 'error'])
        reader.on(event, (error) => heard.push(`${event} ${error}`));
      const tokens = await create(30);
      const all = () => Promise.all(tokens.map((token) => reader.get({ app, token })));
      const nodes = await servers.replicas();
      for (const redis of replicas) redis.disconnect();
      for (const node of nodes) pause(node);
      assert.ok((await all()).every(({ data }, n) => data.n === n));
      await Promise.all(nodes.map(resume));
      await Promise.all(nodes.map(kill));
      assert.ok((await all()).every(({ data }, n) => data.n === n));
      assert.deepEqual(heard, []);
    });
  });
}
