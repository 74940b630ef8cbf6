'use strict';

// The README's examples, run against a real server: each gets the answers that its comments show,
// as in `await sessions.get(…); // → undefined`. The types of all of them: package.test.js.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const vm = require('node:vm');
const ts = require('typescript-5');
const { SpotsSessions, ...others } = require('../index.js');
const { ADDRESS_NAMES } = require('../lib/connection-nodes.js');
const { readOptions } = require('../lib/options.js');
const manifest = require('../package.json');
const { indexKey } = require('./support/keys.js');
const { root } = require('./support/packed.js');
const { asModule, readmeExamples } = require('./support/readme.js');
const { startRedis } = require('./support/redis-server.js');

const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
const METHODS = ['create', 'get', 'refresh', 'update', 'kill', 'killAll'];

/** What the examples after the first go on from. */
const FIRST = { app: 'shop', ownerId: '42', data: { name: 'Ada', theme: 'light' }, duration: 3600 };

describe('the README', () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  before(async () => {
    server = await startRedis();
  });
  after(() => server?.stop());

  const called = new Set();
  let compared = 0;

  for (const { line, code } of readmeExamples(['js', 'ts'])) {
    test(`the example in line ${line} does what it shows`, async () => {
      const shown = answersIn(code);
      const redis = server.client();
      await redis.flushall();

      const opened = [];
      const Local = redirected(server.url, opened, called);
      const sessions = new SpotsSessions(server.url);
      try {
        const token = await sessions.create(FIRST);
        const watched = new Local();
        const checks = await run(code, { ...FIRST, token, sessions: watched }, Local);
        assert.deepEqual(checks, shown, 'every answer that is shown was compared, in order');
        compared += checks.length;
      } finally {
        await Promise.all([sessions, ...opened].map((each) => each.close()));
        redis.disconnect();
      }
    });
  }

  test('has an example of each method, and answers to compare', () => {
    assert.deepEqual([...called].sort(), [...METHODS].sort());
    assert.ok(compared >= 15, `${compared} answers`);
  });

  test('shows the keys under which the first example lies', () => {
    const key = indexKey(FIRST.app, FIRST.ownerId);
    assert.ok(readme.includes(`    ${key}\n`), key);
  });

  test('leads only to files and sections that are there', () => {
    for (const [, target] of readme.matchAll(/\]\((?!https:)([^)]+)\)/g)) {
      const [name, anchor] = target.split('#');
      const file = path.join(root, name || 'README.md');
      assert.ok(fs.existsSync(file), target);
      if (anchor === undefined) continue;
      const titles = fs.readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm);
      assert.ok(
        [...titles].some(([, title]) => slug(title) === anchor),
        target,
      );
    }
  });

  test('names only commands that package.json has', () => {
    const names = [...readme.matchAll(/\bnpm (?:run )?(demo|bench|check|test|[a-z]+:[a-z]+)\b/g)];
    assert.ok(names.length >= 4);
    for (const [, name] of names) assert.ok(manifest.scripts[name], name);
  });
});

/** The heading's anchor, as GitHub makes it. @param {string} title */
function slug(title) {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

/** What the comments show, in order. @param {string} code */
function answersIn(code) {
  return [...code.matchAll(/\/\/ → (.+)$/gm)].map(([, answer]) => answer);
}

/**
 * The class as an example sees it: whatever server it names, it gets the test's. The options are
 * read as they stand before, so that a wrong one fails.
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
      for (const name of [...ADDRESS_NAMES, 'tls']) delete own[name];
      super(server === null ? options : { ...own, connectionString: url });
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
 * @returns {Promise<string[]>} what was compared
 */
async function run(code, { sessions, app, token, ownerId }, Local) {
  const compared = [];
  /** @param {() => unknown} act @param {string} shown */
  const compare = async (act, shown) => {
    compared.push(shown);
    const failure = /^(\w*Error): (.*)$/.exec(shown);
    if (failure) await assert.rejects(act, { name: failure[1], message: failure[2] });
    else assert.deepEqual(await act(), vm.runInThisContext(`(${shown})`), shown);
  };
  const exports = {};
  const fakes = {
    exports,
    require: (name) => {
      if (name.startsWith('node:')) return require(name);
      assert.equal(name, manifest.name);
      return { SpotsSessions: Local, ...others };
    },
    SpotsSessions: Local,
    ...{ sessions, app, token, ownerId, compare },
  };
  new Function(...Object.keys(fakes), compile(code))(...Object.values(fakes));
  await exports.example();
  return compared;
}

/** @param {string} code @returns {string} CommonJS that exports `example` */
function compile(code) {
  const { outputText, diagnostics } = ts.transpileModule(asModule(code), {
    reportDiagnostics: true,
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
    transformers: { before: [comparing] },
  });
  assert.deepEqual(diagnostics, []);
  return outputText;
}

/**
 * Puts a comparison in the place of each statement behind which an answer is shown.
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
