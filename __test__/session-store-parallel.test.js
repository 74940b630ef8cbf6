'use strict';

// Requests at the same time on one session: no change is lost, and what was destroyed stays gone. connect-redis fails
// both, with the same requests.

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');
const { startRedis } = require('./support/redis-server.js');
const { waitUntil } = require('./support/wait-until.js');
const { Browser, startExpress, startFastify } = require('./support/web.js');
const { forEachExpress, inMemoryAndOnServer } = require('./support/web-suites.js');

/** A door that slow requests wait at, after they have loaded their session. */
class Door {
  /** How many wait. */
  waiting = 0;
  #open;
  #opened = new Promise((resolve) => {
    this.#open = resolve;
  });

  async pass() {
    this.waiting++;
    await this.#opened;
  }

  open() {
    this.#open();
  }
}

/**
 * Routes that change a session, at once or slowly.
 *
 * @param {Door} door
 */
function routesWith(door) {
  const slowly = (change) => async (request, response) => {
    await door.pass();
    change(request.session, request.query);
    response.send('');
  };
  const set = (session, { key, value }) => {
    session[key] = value;
  };
  const setInCart = (session, { key, value }) => {
    session.cart = Object.assign(session.cart ?? {}, { [key]: value });
  };
  return {
    '/set': async (request, response) => {
      set(request.session, request.query);
      response.send('');
    },
    '/slowly': slowly(set),
    '/set-in-cart': async (request, response) => {
      setInCart(request.session, request.query);
      response.send('');
    },
    '/slowly-in-cart': slowly(setInCart),
    '/look-slowly': slowly(() => {}),
    '/delete-slowly': slowly((session, { key }) => {
      delete session[key];
    }),
    '/show': async (request, response) => {
      const { cookie: _cookie, ...data } = JSON.parse(JSON.stringify(request.session));
      response.send(data);
    },
    '/logout': async (request, response) => {
      await new Promise((resolve) => request.session.destroy(resolve));
      response.send('');
    },
  };
}

/** The stories. Each resolves to what is there in the end. */
const stories = {
  /** Two requests change different keys, and a third one only looks. */
  async change(browser, door) {
    await browser.get('/set?key=a&value=old');
    await browser.get('/set?key=b&value=old');
    const looking = browser.get('/look-slowly');
    const slow = browser.get('/slowly?key=a&value=new');
    await waitUntil(() => door.waiting === 2, 'the slow requests');
    await browser.get('/set?key=b&value=new');
    await browser.get('/set?key=c&value=new');
    door.open();
    await Promise.all([looking, slow]);
    return browser.json('/show');
  },

  /** A request that was loaded before a logout saves after it. The thief has kept the cookie. */
  async logout(browser, door) {
    await browser.get('/set?key=user&value=ada');
    const thief = new Browser(browser.url);
    thief.cookies = new Map(browser.cookies);
    const slow = browser.get('/slowly?key=seen&value=page');
    await waitUntil(() => door.waiting === 1, 'the slow request');
    await browser.get('/logout');
    door.open();
    assert.equal((await slow).status, 200);
    return thief.json('/show');
  },

  /** Two requests change different keys of one object inside the session, and one changes a key beside it. */
  async nested(browser, door) {
    await browser.get('/set-in-cart?key=tea&value=1');
    const slow = browser.get('/slowly-in-cart?key=milk&value=2');
    await waitUntil(() => door.waiting === 1, 'the slow request');
    await browser.get('/set-in-cart?key=coffee&value=3');
    await browser.get('/set?key=theme&value=dark');
    door.open();
    await slow;
    return browser.json('/show');
  },
};

const kept = { a: 'new', b: 'new', c: 'new' };
/** An object inside a session is one value, and the slow request was the last to write it. */
const lastCart = { cart: { tea: '1', milk: '2' }, theme: 'dark' };

forEachExpress((place, start) => {
  for (const options of [{ resave: false }, { resave: true }, { resave: true, rolling: true }]) {
    describe(JSON.stringify(options), () => {
      const open = async (t, store) => {
        const door = new Door();
        const url = await start(t, { store, ...options }, routesWith(door));
        return { browser: new Browser(url), door };
      };

      test('requests at the same time that change different keys are all kept', async (t) => {
        const { browser, door } = await open(t, place.newStore());
        assert.deepEqual(await stories.change(browser, door), kept);
      });

      test('a request that was loaded before a logout and saves after it brings nothing back', async (t) => {
        const store = place.newStore();
        const gone = [];
        store.on('gone', (id) => gone.push(id));
        const { browser, door } = await open(t, store);
        assert.deepEqual(await stories.logout(browser, door), {});
        assert.equal(await store.length(), 0);
        assert.match(gone.join(), /^[\w-]{28}$/, 'the store has told it once, by the public id');
      });

      test('requests at the same time that change one nested object: the later one wins', async (t) => {
        const { browser, door } = await open(t, place.newStore());
        assert.deepEqual(await stories.nested(browser, door), lastCart);
      });

      test('a key that is deleted while another request changes another key is gone', async (t) => {
        const { browser, door } = await open(t, place.newStore());
        await browser.get('/set?key=a&value=old');
        const slow = browser.get('/delete-slowly?key=a');
        await waitUntil(() => door.waiting === 1, 'the slow request');
        await browser.get('/set?key=b&value=new');
        door.open();
        await slow;
        assert.deepEqual(await browser.json('/show'), { b: 'new' });
      });
    });
  }
});

describe('@fastify/session', () => {
  inMemoryAndOnServer((place) => {
    for (const rolling of [true, false]) {
      describe(`rolling: ${rolling}`, () => {
        const open = async (t, store) => {
          const door = new Door();
          const options = { store, rolling, saveUninitialized: false };
          const url = await startFastify(t, options, routesWith(door));
          return { browser: new Browser(url), door };
        };

        test('requests at the same time that change different keys are all kept', async (t) => {
          const { browser, door } = await open(t, place.newStore());
          assert.deepEqual(await stories.change(browser, door), kept);
        });

        test('a request that was loaded before a logout and saves after it brings nothing back', async (t) => {
          const store = place.newStore();
          const { browser, door } = await open(t, store);
          assert.deepEqual(await stories.logout(browser, door), {});
          assert.equal(await store.length(), 0);
        });

        test('requests at the same time that change one nested object: the later one wins', async (t) => {
          const { browser, door } = await open(t, place.newStore());
          assert.deepEqual(await stories.nested(browser, door), lastCart);
        });
      });
    }
  });
});

describe('connect-redis, for comparison', () => {
  let server, client;
  before(async () => {
    server = await startRedis();
    client = await createClient({ url: server.url }).connect();
  });
  after(async () => {
    client?.destroy();
    await server?.stop();
  });
  const open = async (t) => {
    const door = new Door();
    const url = await startExpress(t, { store: new RedisStore({ client }) }, routesWith(door));
    return { browser: new Browser(url), door };
  };

  test('loses a change of a request at the same time', async (t) => {
    const { browser, door } = await open(t);
    assert.deepEqual(await stories.change(browser, door), { a: 'new', b: 'old' });
  });

  test('brings back a session that was logged out', async (t) => {
    const { browser, door } = await open(t);
    assert.deepEqual(await stories.logout(browser, door), { user: 'ada', seen: 'page' });
  });
});
