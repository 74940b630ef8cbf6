'use strict';

// The access rights that the README asks for: they are enough for all that the methods do, and no
// more than that.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const { sessionKey } = require('./support/keys.js');
const { root } = require('./support/packed.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');

const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
const [, rule] = /^ {4}ACL (SETUSER spots .*)$/m.exec(readme);
const granted = rule.match(/(?<= \+)\S+/g);
const login = { username: 'spots', password: 'password' };

/** PING is sent to find out whether a connection that left a call unanswered still works. */
const ONLY_IN_NEED = ['ping'];

describe('a user with the rights that the README names', () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  /** @type {import('ioredis').Redis} */
  let admin;
  before(async () => {
    server = await startRedis();
    admin = server.client();
    await admin.call('ACL', ...rule.split(' '));
  });
  after(() => server?.stop());

  test('can do all that the methods do, and has no right that they do not use', async () => {
    await admin.config('RESETSTAT');
    const sessions = new SpotsSessions({ host: server.host, port: server.port, db: 1, ...login });
    const database = server.client({ db: 1 });
    const owner = { app: 'shop', ownerId: '42' };

    const token = await sessions.create({ ...owner, data: { name: 'Ada' } });
    const call = { app: 'shop', token };
    assert.deepEqual(await sessions.get(call), { ownerId: '42', data: { name: 'Ada' } });
    assert.equal(await sessions.refresh({ ...call, duration: 60 }), true);
    assert.equal(await sessions.refresh({ ...call, duration: Infinity }), true);

    const name = 'x'.repeat(5000);
    assert.equal(await sessions.update({ ...call, data: { name } }), true);
    const key = sessionKey('shop', '42', token);
    await waitUntil(
      async () => (await database.strlen(key)) < name.length + 100,
      'the update to be folded',
    );
    assert.deepEqual((await sessions.get(call)).data, { name });

    await admin.script('FLUSH');
    assert.equal(await sessions.kill(call), true);
    await sessions.create(owner);
    await sessions.create(owner);
    assert.equal(await sessions.killAll(owner), true);
    assert.equal(await database.dbsize(), 0);
    await sessions.close();

    const used = Object.keys(await server.commandStats());
    // Redis 6.2 counts `script load` as `script`.
    const isUsed = (right) => used.includes(right) || used.includes(right.split('|')[0]);
    const spare = granted.filter((right) => !isUsed(right));
    assert.deepEqual(spare, ONLY_IN_NEED);
    const log = await admin.call('ACL', 'LOG');
    const refused = log.map((entry) => entry[entry.indexOf('object') + 1]);
    // What the README says is lost without rights that are not needed.
    assert.deepEqual(
      refused.filter((command) => !/^(client(\|setinfo)?|info)$/.test(command)),
      [],
    );
  });

  test('can do nothing else', async () => {
    await admin.set('mine', 'secret');
    const user = server.client({ ...login, enableReadyCheck: false });
    for (const command of [['get', 'mine'], ['keys', '*'], ['flushall'], ['config', 'get', '*']]) {
      await assert.rejects(user.call(...command), /NOPERM/, command.join(' '));
    }
    assert.equal(await admin.get('mine'), 'secret');
  });
});
