'use strict';

// The types of SessionStore fit both frameworks' under `strict`, with only one of them installed, with both and with none.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');
const { temporaryFolder } = require('../scripts/children.js');
const { manifest, output, root, tool } = require('./support/packed.js');

const EXPRESS = `
  import session from 'express-session';
  import { SpotsSessions } from '@spots-tech/sessions';
  import { SessionStore } from '@spots-tech/sessions/session-store';
  declare module 'express-session' { interface SessionData { userId: string } }
  const sessions = new SpotsSessions('memory:');
  const store = new SessionStore({ sessions, app: 'shop', ownerId: (data) => data.userId });
  session({ store, secret: 's', resave: false, saveUninitialized: false });
  const some: session.Store = store;
  const typed = new SessionStore<session.SessionData>({ sessions, app: 'shop', ownerId: ({ userId }) => userId });
  session({ store: typed, secret: 's' });
  store.get('s', (error, found?: session.SessionData | null) => found?.userId);
  store.all((error, all) => all?.length);
`;

const FASTIFY = `
  import fastify from 'fastify';
  import fastifySession, { type SessionStore as Store } from '@fastify/session';
  import { SpotsSessions } from '@spots-tech/sessions';
  import { SessionStore } from '@spots-tech/sessions/session-store';
  declare module 'fastify' { interface Session { userId: number } }
  const sessions = new SpotsSessions<{ userId: number }>('memory:');
  const store = new SessionStore({ sessions, app: 'shop', ownerId: (data) => data.userId });
  const some: Store = store;
  fastify().register(fastifySession, { store, secret: 's' });
`;

const NONE = `
  import { SpotsSessions, type Cluster } from '@spots-tech/sessions';
  import { SessionStore, type SessionStoreOptions } from '@spots-tech/sessions/session-store';
  import { EventEmitter } from 'node:events';
  const sessions = new SpotsSessions<{ a: 1 }, Cluster>('redis-cluster://h');
  const options: SessionStoreOptions = { sessions, app: 7n, ownerId: undefined, duration: Infinity, touchAfter: 0 };
  export const store = new SessionStore(options);
  export const emitter: EventEmitter = store;
  store.on('gone', (id) => id.toUpperCase()).on('warning', ({ code, message }) => code === 'SPOTS_SESSIONS_FIXATION');
  store.once('anything', () => {});
  export async function use() {
    const session = await store.get('s');
    await store.set('s', session);
    await store.touch('s', session);
    const ids: string[] = await store.ids();
    const count: number = await store.length();
    await store.clear();
    return [ids, count, await store.all(), await store.destroy('s')];
  }
  export class Own extends SessionStore {}
  for (const ownerId of [() => 'a', () => 1, () => 1n, () => null, () => undefined]) {
    new SessionStore({ sessions, app: 'shop', ownerId });
  }
`;

/** Programs that must not compile, and what the compiler says. @type {[string, RegExp][]} */
const MISTAKES = [
  ['new SessionStore({ sessions });', /app/],
  ["new SessionStore({ app: 'shop' });", /sessions/],
  ["new SessionStore({ sessions, app: 'shop', ttl: 60 });", /ttl/],
  ["new SessionStore({ sessions, app: 'shop', ownerId: () => true });", /boolean/],
  ["new SessionStore({ sessions, app: 'shop', ownerId: async () => 'a' });", /Promise/],
  ["new SessionStore({ sessions, app: 'shop', duration: '60' });", /string/],
];

/** Projects by what is installed in them. */
const PROJECTS = {
  'express-session alone': { installed: ['@types/express-session'], programs: [EXPRESS] },
  '@fastify/session alone': {
    installed: ['fastify', '@fastify/session', '@fastify/cookie'],
    programs: [FASTIFY],
  },
  both: {
    installed: ['@types/express-session', 'fastify', '@fastify/session', '@fastify/cookie'],
    programs: [EXPRESS, FASTIFY, NONE],
  },
  neither: { installed: [], programs: [NONE] },
};

const COMPILERS = {
  'TypeScript 7': ['typescript', '--module', 'node16'],
  'TypeScript 5': ['typescript-5', '--module', 'node16', '--exactOptionalPropertyTypes'],
  'TypeScript 5, as it finds modules in old projects': [
    'typescript-5',
    ...['--module', 'commonjs', '--moduleResolution', 'node10', '--esModuleInterop'],
  ],
};

/** Makes a project with links to what is installed here. @param {string[]} installed */
function newProject(installed) {
  const folder = temporaryFolder('types-');
  const modules = path.join(folder, 'node_modules');
  for (const name of ['@types/node', 'ioredis', ...installed]) {
    fs.mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    fs.symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name), 'junction');
  }
  // Not a link, from which the compiler would find everything that is installed here.
  const own = path.join(modules, manifest.name);
  fs.mkdirSync(own, { recursive: true });
  for (const file of ['package.json', 'index.d.ts', 'session-store.d.ts']) {
    fs.copyFileSync(path.join(root, file), path.join(own, file));
  }
  return folder;
}

/** Compiles programs under `strict`. @param {string} folder @param {string[]} compiler @param {string[]} programs */
function compile(folder, [compiler, ...options], programs) {
  const files = programs.map((program, n) => {
    fs.writeFileSync(path.join(folder, `program-${n}.ts`), program);
    return `program-${n}.ts`;
  });
  const lib = ['--target', 'es2022', '--lib', 'es2023,esnext.disposable,dom', '--types', 'node'];
  const args = ['--strict', '--noEmit', '--skipLibCheck', ...lib, ...options, ...files];
  return output(process.execPath, [tool(compiler, 'bin/tsc'), ...args], { cwd: folder });
}

for (const [name, compiler] of Object.entries(COMPILERS)) {
  describe(name, () => {
    for (const [what, { installed, programs }] of Object.entries(PROJECTS)) {
      // The slow compilers read the types of both frameworks only once.
      if (name !== 'TypeScript 7' && what.endsWith('alone')) continue;
      test(`programs compile with ${what}`, async (t) => {
        const folder = newProject(installed);
        t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
        await compile(folder, compiler, programs);
      });
    }
  });
}

test('mistakes do not compile', async (t) => {
  const folder = newProject([]);
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const head = `import { SpotsSessions } from '@spots-tech/sessions';
    import { SessionStore } from '@spots-tech/sessions/session-store';
    const sessions = new SpotsSessions('memory:');`;
  for (const [mistake, said] of MISTAKES) {
    await assert.rejects(compile(folder, COMPILERS['TypeScript 7'], [`${head} ${mistake}`]), said);
  }
});

test('the declarations need nothing but Node’s types and those of this package', async (t) => {
  const folder = newProject([]);
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const compiler = [...COMPILERS['TypeScript 5'], '--skipLibCheck', 'false'];
  await compile(folder, compiler, [NONE]);
});

test('import and require give the same class', async () => {
  const program = `
    import { createRequire } from 'node:module';
    import { SessionStore } from '@spots-tech/sessions/session-store';
    const require = createRequire(import.meta.url);
    console.log(require('@spots-tech/sessions/session-store').SessionStore === SessionStore);`;
  const args = ['--input-type=module', '-e', program];
  assert.equal((await output(process.execPath, args, { cwd: root })).trim(), 'true');
});
