'use strict';

// Runs and compiles the examples of README.md and docs/. A comment shows the result of a statement, as in
// `await sessions.get(…); // → undefined`. The actual result is compared with it.

const assert = require('node:assert/strict');
const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const path = require('node:path');
const vm = require('node:vm');
const ts = require('typescript-5');
const { SpotsSessions, SpotsSessionsError } = require('../../index.js');
const { ADDRESS_NAMES } = require('../../lib/connection-nodes.js');
const { operations } = require('../../lib/operations.js');
const { readOptions } = require('../../lib/options.js');
const manifest = require('../../package.json');
const { frameworks, testRunner } = require('./frameworks.js');
const { root } = require('./packed.js');
const { UNLUCKY } = require('./shop.js');
const { asModule } = require('./readme.js');
const { EXPRESS } = require('./web.js');

const METHODS = Object.keys(operations);

/** The session that the examples start with. */
const FIRST = { app: 'shop', ownerId: '42', data: { name: 'Ada', theme: 'light' }, duration: 3600 };

/** Declarations of the frameworks that are not installed. */
const FRAMEWORKS = path.join(__dirname, 'frameworks.d.ts');

/**
 * Runs an example on an empty server, and compares its answers with those that it shows.
 *
 * @param {string} code
 * @param {{ url: string, client: () => import('ioredis').Redis }} server
 * @param {(shop: import('./shop.js').Shop) => Promise<void>} [use]
 *   uses the web server of the example, or what it added to the one that it was given
 * @param {keyof typeof EXPRESS} [express] the version
 * @returns {Promise<{ compared: number, called: Set<string> }>}
 */
async function runExample(code, server, use, express = 'Express 5') {
  const redis = server.client();
  await redis.flushall();
  const opened = [];
  /** Servers and listeners that an example leaves behind. */
  const left = { servers: [], webs: [], listeners: [] };
  const others = frameworks(left, EXPRESS[express]);
  const web = others.express.default().use(others['cookie-parser'].default());
  const called = new Set();
  const signals = process.listeners('SIGTERM');
  const Local = redirected(server.url, opened, called);
  const sessions = new SpotsSessions(server.url);
  try {
    const token = await sessions.create(FIRST);
    const watched = new Local();
    const checks = await run(
      code,
      { ...FIRST, token, sessions: watched, others, web },
      Local,
      left,
    );
    assert.deepEqual(checks, answersIn(code), 'every answer that is shown was compared, in order');
    if (use) {
      const shop = { server: left.servers[0] ?? listen(left.webs.at(-1)), opened };
      await untilUnheard(use(shop));
    }
    return { compared: checks.length, called };
  } finally {
    for (const each of process.listeners('SIGTERM')) {
      if (!signals.includes(each)) process.off('SIGTERM', each);
    }
    for (const each of left.servers) {
      each.close();
      each.closeAllConnections();
    }
    for (const [channel, listener] of left.listeners) unsubscribe(channel, listener);
    await Promise.all([sessions, ...opened].map((each) => each.close()));
    redis.disconnect();
  }
}

/**
 * Rejects as soon as a rejection is heard by nobody. It would end the program, and the request that waits is never answered.
 *
 * @param {Promise<void>} used
 */
async function untilUnheard(used) {
  let fail;
  const unheard = new Promise((_, reject) => {
    fail = reject;
  });
  process.once('unhandledRejection', fail);
  await Promise.race([used, unheard]).finally(() => process.off('unhandledRejection', fail));
}

/** Makes an application listen whose example shows only routes. It gets the error handler of the README. @param {any} web */
function listen(web) {
  web.use((error, _request, response, _next) => {
    response.sendStatus(error instanceof SpotsSessionsError ? 503 : 500);
  });
  return web.listen();
}

/** Whether an example uses the session store, and so the frameworks' own types. @param {string} code */
function isOnStore(code) {
  return code.includes(`from '${manifest.name}/session-store'`);
}

/** What the comments show, in order. @param {string} code */
function answersIn(code) {
  return [...code.matchAll(/\/\/ → (.+)$/gm)].map(([, answer]) => answer);
}

/**
 * The class for an example. Whatever server the example names, it gets the server of the test. The
 * original options are read before, so that a wrong one fails.
 *
 * @param {string} url
 * @param {object[]} opened
 * @param {Set<string>} called
 */
function redirected(url, opened, called) {
  class Redirected extends SpotsSessions {
    constructor(options) {
      const { server } = readOptions(options);
      const own = typeof options === 'object' ? { ...options } : {};
      for (const name of [...ADDRESS_NAMES, 'natMap', 'readFrom', 'tls']) delete own[name];
      // An example that shows an outage: there is no server at port 1.
      const isAsItStands = server === null || server.port === 1;
      super(isAsItStands ? options : { ...own, connectionString: url });
      opened.push(this);
    }
  }
  for (const name of METHODS) {
    Redirected.prototype[name] = function (request) {
      called.add(name);
      return SpotsSessions.prototype[name].call(this, request);
    };
  }
  return Redirected;
}

/**
 * Runs an example and compares the answers that it shows.
 *
 * @param {string} code
 * @param {Record<string, unknown>} givens
 * @param {typeof SpotsSessions} Local
 * @param {{ servers: import('node:http').Server[], listeners: [string, any][] }} left
 * @returns {Promise<string[]>} what was compared
 */
async function run(code, { others, ...givens }, Local, left) {
  const compared = [];
  /** @param {() => unknown} act @param {string} shown */
  const compare = async (act, shown) => {
    compared.push(shown);
    const failure = /^(\w*Error): (.*)$/.exec(shown);
    if (failure) await assert.rejects(act, { name: failure[1], message: failure[2] });
    else assert.deepEqual(await act(), vm.runInThisContext(`(${shown})`), shown);
  };
  const exports = {};
  const runner = testRunner();
  const listen = (channel, listener) => {
    left.listeners.push([channel, listener]);
    subscribe(channel, listener);
  };
  const fakes = {
    exports,
    require: (name) => {
      if (name === 'node:diagnostics_channel') return { subscribe: listen };
      if (name.startsWith('node:')) return require(name);
      if (name in others) return others[name];
      if (name === `${manifest.name}/session-store`) return require('../../lib/session-store.js');
      assert.equal(name, manifest.name);
      return { SpotsSessions: Local, SpotsSessionsError };
    },
    SpotsSessions: Local,
    module: {},
    checkPassword: async ({ user }) => {
      if (user === UNLUCKY) throw new Error('the users cannot be read');
      return user;
    },
    cookie: { httpOnly: true, secure: true, sameSite: 'lax', path: '/' },
    DAY: 86_400,
    compare,
    ...givens,
    ...runner.globals,
  };
  new Function(...Object.keys(fakes), transpile(code))(...Object.values(fakes));
  await exports.example();
  await runner.done();
  return compared;
}

/** @param {string} code @returns {string} CommonJS that exports `example` */
function transpile(code) {
  const { outputText, diagnostics } = ts.transpileModule(asModule(code), {
    reportDiagnostics: true,
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      experimentalDecorators: true,
      esModuleInterop: true,
    },
    transformers: { before: [comparing] },
  });
  assert.deepEqual(diagnostics, []);
  return outputText;
}

/**
 * Replaces each statement with a shown answer by a comparison.
 *
 * @type {import('typescript-5').TransformerFactory<import('typescript-5').SourceFile>}
 */
function comparing(context) {
  const { factory } = context;
  return (file) => {
    const shownAfter = (node) => {
      const [comment] = ts.getTrailingCommentRanges(file.text, node.end) ?? [];
      return comment && answersIn(file.text.slice(comment.pos, comment.end))[0];
    };
    /** `await compare(async () => expression, 'shown')` */
    const comparison = (expression, shown) =>
      factory.createExpressionStatement(
        factory.createAwaitExpression(
          factory.createCallExpression(factory.createIdentifier('compare'), undefined, [
            factory.createArrowFunction(
              [factory.createModifier(ts.SyntaxKind.AsyncKeyword)],
              undefined,
              [],
              undefined,
              undefined,
              factory.createParenthesizedExpression(expression),
            ),
            factory.createStringLiteral(shown),
          ]),
        ),
      );
    const visit = (node) => {
      const shown = ts.isStatement(node) && shownAfter(node);
      if (shown && ts.isExpressionStatement(node)) return comparison(node.expression, shown);
      if (shown && ts.isVariableStatement(node)) {
        return [node, comparison(node.declarationList.declarations[0].name, shown)];
      }
      return ts.visitEachChild(node, visit, context);
    };
    return ts.visitNode(file, visit);
  };
}

/**
 * The compiler's messages about examples under `strict`. Those that use the session store have the frameworks' own types.
 *
 * @param {string[]} codes
 * @returns {string[][]} its messages by example
 */
function compile(codes) {
  const own = compileWith([], codes.filter(isOnStore));
  const others = compileWith(
    [FRAMEWORKS],
    codes.filter((code) => !isOnStore(code)),
  );
  return codes.map((code) => (isOnStore(code) ? own : others).shift() ?? []);
}

/** @param {string[]} declarations @param {string[]} codes @returns {string[][]} */
function compileWith(declarations, codes) {
  const names = codes.map((_, index) => path.join(root, `example-${index}.ts`));
  const texts = new Map(names.map((name, index) => [name, asModule(codes[index])]));
  const options = {
    strict: true,
    noEmit: true,
    experimentalDecorators: true,
    skipLibCheck: true,
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'],
    paths: {
      [manifest.name]: [path.join(root, 'index.d.ts')],
      [`${manifest.name}/session-store`]: [path.join(root, 'session-store.d.ts')],
    },
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (name) => texts.has(path.normalize(name)) || fileExists(name);
  host.readFile = (name) => texts.get(path.normalize(name)) ?? readFile(name);
  host.getSourceFile = (name, ...about) => {
    const text = texts.get(path.normalize(name));
    return text === undefined
      ? getSourceFile(name, ...about)
      : ts.createSourceFile(name, text, about[0]);
  };
  const program = ts.createProgram([...names, ...declarations], options, host);
  return names.map((name) => {
    const file = program.getSourceFile(name);
    const found = [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ];
    return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
  });
}

module.exports = { FIRST, METHODS, compile, runExample };
