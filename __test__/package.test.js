'use strict';

// The packages as a user gets them: packed, installed into empty projects, used from each module
// system and from TypeScript.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { Workplace, builtAddon, manifest, output, root, tool } = require('./support/packed.js');
const { asModule, examplesOf } = require('./support/readme.js');
const { startRedis } = require('./support/redis-server.js');

const { platform, file: addon } = builtAddon();

/** A program that exports our types without naming them, so that its declaration has to name them. */
const EXPORTED = `
  import { SpotsSessions, type Cluster, type SpotsSessionsOptions } from '@spots-tech/sessions';
  export interface Cart { items: string[] }
  export const carts = new SpotsSessions<Cart>(process.env.REDIS_URL);
  export const plain = new SpotsSessions();
  export const { get, create, update } = plain;
  export const session = plain.get({ app: 'a', token: undefined });
  export const client = plain.client;
  export const another = client.duplicate();
  export const pipeline = client.pipeline();
  export const ofCluster = new SpotsSessions<Cart, Cluster>('redis-cluster://h');
  export const cluster = ofCluster.client;
  export const nodes = cluster.nodes();
  export const connect = (options: SpotsSessionsOptions) => ({ options, made: new SpotsSessions(options) });
  export class Own extends SpotsSessions<Cart> {
    lend() { return this.client; }
  }
  export const { tls, cluster: list, sentinels, connectionString } = {} as SpotsSessionsOptions;
  export const { protocol, retryStrategy, reconnectOnError, keepAlive } = {} as SpotsSessionsOptions;
  export default plain;
`;

/** A program that imports the other one. */
const IMPORTED = `
  import plain, { Own, cluster, connect } from './exported';
  export const lent = new Own().lend();
  export const client = plain.client;
  export const made = connect({}).made;
  export const nodes = cluster.nodes('master');
  const count: number = nodes.length;
`;

/** Options and requests as programs write them. */
const ACCEPTED = `
  import { SpotsSessions, type ConnectionString, type SpotsSessionsOptions } from '@spots-tech/sessions';
  const { HOST, PORT, DB, TIMEOUT, TOKEN } = process.env;
  new SpotsSessions(6379);
  new SpotsSessions(new URL('redis://localhost'));
  new SpotsSessions({ connectionString: 6379, tls: undefined });
  new SpotsSessions({ connectionString: new URL('redis://localhost'), tokenSize: 32 });
  const either: ConnectionString | SpotsSessionsOptions = HOST ?? {};
  new SpotsSessions(either);
  class Own extends SpotsSessions {
    constructor(options?: ConnectionString | SpotsSessionsOptions) { super(options); }
  }
  new Own({ connectionString: either as ConnectionString });
  new SpotsSessions({ host: HOST, port: PORT, db: DB, password: TOKEN, family: 'IPv4' });
  new SpotsSessions({ connectTimeout: TIMEOUT, commandTimeout: TIMEOUT, tokenSize: undefined });
  new SpotsSessions({ connectionString: { host: HOST, connectTimeout: 5, commandTimeout: TIMEOUT } });
  new SpotsSessions({ connectionString: { host: HOST, tls: { ca: TOKEN } }, tls: true });
  new SpotsSessions({ lazyConnect: 'true', keepAlive: '7', connectionName: undefined });
  new SpotsSessions({ maxRetriesPerRequest: null, retryStrategy: () => null });
  new SpotsSessions({ cluster: [{ host: HOST, port: PORT }, 'node-2:6379', 6379] });
  new SpotsSessions({ sentinels: [{ host: HOST }], name: 'mymaster', sentinelPassword: TOKEN });
  const carts = new SpotsSessions<{ items: string[]; coupon?: string }>('memory:');
  carts.create({ app: 'a', ownerId: 1n, data: { items: [] }, duration: undefined });
  carts.update({ app: 'a', token: 't', data: { items: undefined, coupon: null } });
  new SpotsSessions('memory:').create({ app: 'a', ownerId: 1, data: undefined });
  const token = {} as { cookies: Record<string, string | undefined> }['cookies']['sid'];
  for (const cookie of [token, null]) {
    new Own().get({ app: 'a', token: cookie });
    new Own().refresh({ app: 'a', token: cookie, duration: 60 });
    new Own().update({ app: 'a', token: cookie, data: {} });
    new Own().kill({ app: 'a', token: cookie });
  }
`;

test('the system’s reason for refusing a binary is shown in other realms, too, as in Jest', async () => {
  // In another realm the errors of the loader are not instances of our Error.
  const program = `
    const Module = require('node:module');
    const { runInNewContext } = require('node:vm');
    const load = Module._load;
    Module._load = (name, ...rest) => {
      if (name !== '../binding.js') return load(name, ...rest);
      throw runInNewContext("new Error('Cannot find native binding', { cause: new Error('GLIBC_9') })");
    };
    try { require('./lib/native.js') } catch ({ message }) { console.log(message) }`;
  const message = await output(process.execPath, ['-e', program], { cwd: root });
  assert.match(message, /: GLIBC_9 \(reinstall it on the machine that runs it\)/);
});

describe('the error names the flag that keeps a process from loading the addon', () => {
  const script = `try { require('./index.js') } catch (error) {
    const { inspect } = require('node:util');
    console.log(error.message + ' | ' + (/npm has a bug/.test(inspect(error)) ? 'npm is blamed' : ''));
  }`;
  /** What it prints. @param {string[]} args */
  const run = async (...args) => (await output(process.execPath, args, { cwd: root })).trim();

  test('--no-addons', async () => {
    const message = await run('--no-addons', '-e', script);
    assert.match(message, /: this process may not load it \(start it without --no-addons\) \|$/);
  });

  const known = process.allowedNodeEnvironmentFlags;
  const permission = ['--permission', '--experimental-permission'].find((flag) => known.has(flag));
  test('--permission', { skip: !known.has('--allow-addons') && 'not by this Node' }, async () => {
    const message = await run(permission, '--allow-fs-read=*', '-e', script);
    assert.match(message, /: this process may not load it \(start it with --allow-addons\) \|$/);
    const nothing = await run(permission, '--allow-fs-read=*', '--allow-addons', '-e', script);
    assert.equal(nothing, '');
  });

  // The messages of Deno 2.9. They do not always name the missing flag.
  for (const [flag, words] of [
    ['--allow-ffi', 'Requires ffi access to "a.node", run again with the --allow-ffi flag'],
    [
      '--allow-env',
      'Requires env access to "NAPI_RS_FORCE_WASI", run again with the --allow-env flag',
    ],
    ['--allow-read', 'Requires sys access to "cpus", run again with the --allow-sys flag'],
  ]) {
    test(`Deno's ${flag}, even if Deno allows no report of the C library`, async () => {
      const program = `
        const Module = require('node:module');
        const load = Module._load;
        process.report.getReport = () => { throw new Error('Requires sys access to "cpus"') };
        Module._load = (name, ...rest) => {
          if (name !== '../binding.js') return load(name, ...rest);
          throw new Error('Cannot find native binding: npm has a bug', { cause: new Error(given) });
        };
        ${script}`;
      const given = `const given = ${JSON.stringify(words)};`;
      const message = await run('-e', given + program);
      assert.match(message, /\(start it with --allow-ffi --allow-read --allow-env\) \|$/);
      assert.ok(message.includes(flag));
    });
  }
});

describe('the packed packages', () => {
  const workplace = new Workplace();
  /** @type {Awaited<ReturnType<Workplace['pack']>>} */
  let main;
  /** @type {Awaited<ReturnType<Workplace['pack']>>} */
  let binary;
  let server;
  /** An empty project with both packages installed. */
  let project;

  before(async () => {
    [main, binary, server] = await Promise.all([
      workplace.pack(root),
      workplace.packPlatform(),
      startRedis(),
    ]);
    project = await workplace.newProject('user', [main.tarball, binary.tarball]);
  });

  after(async () => {
    await server?.stop();
    workplace.remove();
  });

  /** Runs a program of the project, which must print the session that it created and got. */
  async function runsOnServer(name, source) {
    fs.writeFileSync(path.join(project, name), source);
    const env = { REDIS_URL: server.url };
    const printed = await output(process.execPath, [name], { cwd: project, env });
    assert.deepEqual(JSON.parse(printed), { ownerId: 'john', data: { via: name } });
  }

  /** The body of such a program. */
  function createAndGet(name) {
    return `
      async function main() {
        const sessions = new SpotsSessions(process.env.REDIS_URL);
        const token = await sessions.create({ app: 'app', ownerId: 'john', data: { via: '${name}' }, duration: 60 });
        console.log(JSON.stringify(await sessions.get({ app: 'app', token })));
        await sessions.close();
      }
      main();`;
  }

  describe('the content of the packages', () => {
    test('the main package holds what its files list allows, and nothing else', () => {
      const expected = ['CHANGELOG.md', 'LICENSE', 'README.md', 'binding.js', 'index.d.ts'];
      expected.push('index.js', 'package.json', 'session-store.d.ts');
      assert.deepEqual(
        main.files.filter((file) => !file.startsWith('lib/')),
        expected,
      );
      const library = fs.readdirSync(path.join(root, 'lib'), { recursive: true, encoding: 'utf8' });
      const files = library.map((file) => `lib/${file.split(path.sep).join('/')}`);
      assert.deepEqual(
        main.files.filter((file) => file.startsWith('lib/')),
        files.filter((file) => file.endsWith('.js')).sort(),
      );
    });

    test('the platform package holds the addon, at most 5 MB of it', () => {
      assert.deepEqual(binary.files, ['LICENSE', 'README.md', 'package.json', addon].sort());
      assert.ok(fs.statSync(path.join(root, addon)).size <= 5e6);
    });

    test('no script runs when they are installed', () => {
      for (const { manifest: packed, files } of [main, binary]) {
        const lifecycle = /^(pre|post)?(install|prepare|uninstall)$|^dependencies$/;
        assert.deepEqual(
          Object.keys(packed.scripts ?? {}).filter((name) => lifecycle.test(name)),
          [],
        );
        assert.ok(!files.includes('binding.gyp'), 'npm would run node-gyp');
      }
    });

    test('npm/ has one package for each target, of the same version, wanted by the main package', () => {
      const folders = fs.readdirSync(path.join(root, 'npm')).sort();
      assert.equal(folders.length, manifest.napi.targets.length);
      const expected = Object.fromEntries(
        folders.map((folder) => [`${manifest.name}-${folder}`, manifest.version]),
      );
      assert.deepEqual(manifest.optionalDependencies, expected);
      for (const folder of folders) {
        const packed = require(`../npm/${folder}/package.json`);
        assert.equal(packed.name, `${manifest.name}-${folder}`);
        assert.equal(packed.version, manifest.version);
        assert.deepEqual(packed.engines, manifest.engines);
        assert.equal(packed.main, `sessions.${folder}.node`);
        const [system, processor, libc] = folder.split('-');
        assert.deepEqual([packed.os, packed.cpu], [[system], [processor]]);
        const expectedLibc = { gnu: ['glibc'], musl: ['musl'] }[libc];
        assert.deepEqual(packed.libc, expectedLibc);
      }
    });
  });

  describe('in an empty project', () => {
    test('require works, with a create and a get on a server', () =>
      runsOnServer(
        'common.cjs',
        `const { SpotsSessions } = require('@spots-tech/sessions');${createAndGet('common.cjs')}`,
      ));

    test('import of the named export works, with a create and a get on a server', () =>
      runsOnServer(
        'module.mjs',
        `import { SpotsSessions } from '@spots-tech/sessions';${createAndGet('module.mjs')}`,
      ));

    test('require and import give the same class, and so do the paths of 1.x', async () => {
      fs.writeFileSync(
        path.join(project, 'same.mjs'),
        `import { createRequire } from 'node:module';
         import * as named from '@spots-tech/sessions';
         const require = createRequire(import.meta.url);
         const paths = ['', '/lib', '/lib/index', '/lib/index.js'];
         const same = paths.map((path) => require('@spots-tech/sessions' + path).SpotsSessions === named.SpotsSessions);
         console.log(JSON.stringify([same, require('@spots-tech/sessions/package.json').version]));`,
      );
      const printed = await output(process.execPath, ['same.mjs'], { cwd: project });
      assert.deepEqual(JSON.parse(printed), [[true, true, true, true], manifest.version]);
    });

    test('npx runs the command line', async () => {
      const npx = ['--no-install', 'sessions'];
      const version = await output('npx', [...npx, '--version'], { cwd: project });
      assert.equal(version.trim(), manifest.version);
      const owner = ['--app', 'shop', '--owner', 'nobody', '--yes'];
      const env = { REDIS_URL: server.url };
      const said = await output('npx', [...npx, 'kill-all', ...owner], { cwd: project, env });
      assert.equal(said, 'there is no session of owner nobody in app shop\n');
    });

    test('the session store is a module of its own, and needs no framework', async () => {
      fs.writeFileSync(
        path.join(project, 'store.mjs'),
        `import { createRequire } from 'node:module';
         import { SpotsSessions } from '@spots-tech/sessions';
         import { SessionStore } from '@spots-tech/sessions/session-store';
         const required = createRequire(import.meta.url)('@spots-tech/sessions/session-store');
         const sessions = new SpotsSessions('memory:');
         const store = new SessionStore({ sessions, app: 'shop' });
         await store.set('s', { cookie: {}, n: 1 });
         const same = required.SessionStore === SessionStore;
         console.log(JSON.stringify([same, (await store.get('s')).n]));`,
      );
      assert.ok(!fs.existsSync(path.join(project, 'node_modules', 'express-session')));
      const printed = await output(process.execPath, ['store.mjs'], { cwd: project });
      assert.deepEqual(JSON.parse(printed), [true, 1]);
    });

    test('without the platform package, the error names the platform and what to do', async () => {
      const alone = await workplace.newProject('alone', [main.tarball]);
      const scope = path.join(alone, 'node_modules', '@spots-tech');
      assert.deepEqual(fs.readdirSync(scope), ['sessions']);
      const program = `try { require('@spots-tech/sessions') } catch ({ message, cause }) {
        console.log(JSON.stringify({ message, cause: cause instanceof Error })) }`;
      const printed = await output(process.execPath, ['-e', program], { cwd: alone });
      const { message, cause } = JSON.parse(printed);
      const wanted = `${manifest.name}-${platform}`;
      assert.match(message, new RegExp(`cannot load the native addon .* for ${platform}: `));
      assert.ok(message.includes(`the package ${wanted} is not installed`), message);
      assert.ok(message.includes(`npm install ${wanted}@${manifest.version}`), message);
      assert.equal(cause, true);
    });

    test('on a platform without a binary, the error lists the supported ones', async () => {
      const program = `Object.defineProperty(process, 'arch', { value: 'mips' });
        try { require('@spots-tech/sessions') } catch ({ message }) { console.log(message) }`;
      const message = await output(process.execPath, ['-e', program], { cwd: project });
      assert.match(message, /there is no binary for this platform, only for darwin-arm64, /);
    });

    test('a binary that the system refuses is reported with the words of the system', async () => {
      const broken = await workplace.newProject('broken', [main.tarball, binary.tarball]);
      const installed = path.join(broken, 'node_modules', `${manifest.name}-${platform}`, addon);
      fs.writeFileSync(installed, 'not a library');
      const program = `try { require('@spots-tech/sessions') } catch ({ message }) { console.log(message) }`;
      const message = await output(process.execPath, ['-e', program], { cwd: broken });
      assert.match(
        message,
        /cannot load the native addon .*reinstall it on the machine that runs it/,
      );
      assert.ok(message.includes(addon), message);
    });
  });

  describe('in TypeScript', () => {
    // 5.9 is the last that still knows `esModuleInterop: false`, as projects of 1.x's time have it.
    const compilers = [
      { name: 'TypeScript 7', typescript: 'typescript', options: [] },
      { name: 'TypeScript 5', typescript: 'typescript-5', options: ['--esModuleInterop', 'true'] },
      {
        name: 'TypeScript 5 without esModuleInterop',
        typescript: 'typescript-5',
        options: ['--esModuleInterop', 'false'],
      },
    ];

    before(() => {
      // Every TypeScript project on Node has these; they come from here rather than from the net.
      const types = path.join(project, 'node_modules', '@types');
      fs.mkdirSync(types, { recursive: true });
      fs.symlinkSync(
        path.join(root, 'node_modules', '@types', 'node'),
        path.join(types, 'node'),
        'junction',
      );
    });

    /** Compiles files of the project under `strict`, with the declarations checked as well. */
    function compile(typescript, files, options, cwd = project) {
      const strict = ['--strict', '--skipLibCheck', 'false', '--types', 'node'];
      const modern = [
        '--module',
        'node16',
        '--target',
        'es2022',
        '--lib',
        'es2023,esnext.disposable',
      ];
      const args = [tool(typescript, 'bin/tsc'), ...strict, ...modern, ...options, ...files];
      return output(process.execPath, args, { cwd });
    }

    for (const { name, typescript, options } of compilers) {
      test(`every example of the README and of the methods compiles under strict: ${name}`, async () => {
        const files = ['README.md', 'docs/methods.md'].flatMap((page) =>
          examplesOf(page).map(({ line, code }) => {
            const file = `${path.basename(page, '.md').toLowerCase()}-line-${line}.ts`;
            fs.writeFileSync(path.join(project, file), asModule(code));
            return file;
          }),
        );
        assert.ok(files.length >= 10, `${files.length} examples`);
        const frameworks = path.join(__dirname, 'support', 'frameworks.d.ts');
        await compile(typescript, [...files, frameworks], ['--noEmit', ...options]);
      });
    }

    test('a compiled program does a create and a get on a server', async () => {
      const source = `import { SpotsSessions } from '@spots-tech/sessions';${createAndGet('typed.js')}`;
      fs.writeFileSync(path.join(project, 'typed.ts'), source);
      await compile('typescript', ['typed.ts'], []);
      await runsOnServer('typed.js', fs.readFileSync(path.join(project, 'typed.js'), 'utf8'));
    });

    test('every accepted option and request compiles, also undefined and text from the environment', async () => {
      fs.writeFileSync(path.join(project, 'accepted.ts'), ACCEPTED);
      const strict = ['--exactOptionalPropertyTypes', 'true', '--skipLibCheck', 'true'];
      await compile('typescript', ['accepted.ts'], ['--noEmit', ...strict]);
    });

    test('declarations name our types, and not ioredis, where pnpm hides ioredis', async () => {
      const cwd = workplace.asPnpm('pnpm', project, [manifest.name, '@types/node']);
      assert.ok(!fs.existsSync(path.join(cwd, 'node_modules', 'ioredis')));
      fs.writeFileSync(path.join(cwd, 'exported.ts'), EXPORTED);
      fs.writeFileSync(path.join(cwd, 'imported.ts'), IMPORTED);
      const files = ['exported.ts', 'imported.ts'];
      // As in real projects, which do not check the types of their dependencies.
      const emit = ['--declaration', '--skipLibCheck', 'true', '--noUncheckedIndexedAccess'];
      for (const { name, typescript, options } of compilers) {
        const to = ['--outDir', name.replaceAll(' ', '-')];
        await compile(typescript, files, [...emit, ...options, ...to], cwd);
        const declared = fs.readFileSync(path.join(cwd, to[1], 'exported.d.ts'), 'utf8');
        assert.match(
          declared,
          /carts: SpotsSessions<Cart, import\("@spots-tech\/sessions"\)\.SessionsClient>/,
        );
        assert.ok(!declared.includes('ioredis'), declared);
      }
    });

    test('a mistake does not compile', async () => {
      fs.writeFileSync(
        path.join(project, 'mistake.ts'),
        asModule('sessions.get({ app, tokn: token });'),
      );
      await assert.rejects(
        compile('typescript', ['mistake.ts'], ['--noEmit']),
        /mistake\.ts.*tokn/,
      );
      fs.writeFileSync(path.join(project, 'event.ts'), asModule("sessions.on('redy', () => {});"));
      await assert.rejects(compile('typescript', ['event.ts'], ['--noEmit']), /event\.ts.*redy/);
      const error = "import { SpotsSessionsError } from '@spots-tech/sessions';";
      fs.writeFileSync(path.join(project, 'error.ts'), `${error} new SpotsSessionsError();`);
      await assert.rejects(compile('typescript', ['error.ts'], ['--noEmit']), /is private/);
      const data = 'new SpotsSessions<{ a: 1 }>().create({ app, ownerId, data: undefined });';
      fs.writeFileSync(path.join(project, 'data.ts'), asModule(data));
      await assert.rejects(compile('typescript', ['data.ts'], ['--noEmit']), /data\.ts.*undefined/);
    });
  });

  describe('judged by other tools', () => {
    test('publint finds no problem in either package', async () => {
      for (const { tarball } of [main, binary]) {
        const publint = tool('publint', 'src/cli.js');
        const said = await output(process.execPath, [publint, 'run', tarball, '--strict'], {
          cwd: root,
        });
        assert.match(said, /All good!/);
      }
    });

    test('are-the-types-wrong finds no problem, in any kind of resolution', async () => {
      const attw = tool('@arethetypeswrong/cli', 'dist/index.js');
      const said = await output(process.execPath, [attw, main.tarball], { cwd: root });
      assert.match(said, /No problems found/);
    });
  });
});
