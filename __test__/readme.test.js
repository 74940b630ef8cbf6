'use strict';

// The examples of README.md and docs/: each compiles under `strict`, runs against a real server, and
// gets the answers that its comments show. Links lead somewhere, and the README stays short.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const manifest = require('../package.json');
const { FIRST, METHODS, compile, runExample } = require('./support/examples.js');
const { indexKey } = require('./support/keys.js');
const { root } = require('./support/packed.js');
const { documents, examplesOf } = require('./support/readme.js');
const { startRedis } = require('./support/redis-server.js');
const { useCart, useDevices, useShop } = require('./support/shop.js');
const { useStore } = require('./support/store-shop.js');
const { EXPRESS } = require('./support/web.js');

const read = (/** @type {string} */ file) => fs.readFileSync(path.join(root, file), 'utf8');
const readme = read('README.md');
const pages = documents();
const linked = [...pages, 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'benchmark/README.md'];
const examples = pages.flatMap((file) =>
  examplesOf(file).map((example) => ({ ...example, name: `${file}, line ${example.line}` })),
);
/** These must not compile, which shows that the compiler checks. */
const mistakes = [
  'await sessions.get({ app, tokn: token });',
  "sessions.on('redy', () => {});",
  "import { nothing } from 'express';",
];
const webServer = /listen\((?:3000|\{ port: 3000 \})\)/;

describe('the examples', () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  before(async () => {
    server = await startRedis();
  });
  after(() => server?.stop());

  const called = new Set();
  let compared = 0;

  for (const { name, code } of examples) {
    const isOfReadme = name.startsWith('README.md');
    // The README says that it is for Express 5. What docs/ shows is for both versions.
    const isForBoth = !isOfReadme && code.includes("from 'express");
    for (const version of isForBoth ? Object.keys(EXPRESS) : ['Express 5']) {
      test(`${name}: does what it shows${isForBoth ? ` on ${version}` : ''}`, async () => {
        const result = await runExample(code, server, userOf(code), version);
        if (isOfReadme) for (const method of result.called) called.add(method);
        compared += result.compared;
      });
    }
  }

  test('compile under strict', () => {
    const found = compile([...examples.map(({ code }) => code), ...mistakes]);
    examples.forEach(({ name }, index) => {
      assert.deepEqual(found[index], [], name);
    });
    const messages = found.slice(examples.length).map(([message]) => message);
    assert.match(messages[0], /tokn/);
    assert.match(messages[1], /redy/);
    assert.match(messages[2], /nothing/);
  });

  test('of the README use every method, and enough answers are compared', () => {
    assert.deepEqual([...called].sort(), [...METHODS].sort());
    assert.ok(compared >= 25, `${compared} answers`);
  });
});

describe('a broken example', () => {
  test('fails: a wrong answer, an answer without a statement, an unknown method', async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const call = 'await sessions.kill({ app, token });';
    await runExample(`${call} // → true`, server);
    await assert.rejects(runExample(`${call} // → false`, server), assert.AssertionError);
    await assert.rejects(runExample(`// ${call} // → true`, server), /every answer that is shown/);
    await assert.rejects(runExample('sessions.gett({ app, token });', server), TypeError);
  });
});

describe('README.md and docs/', () => {
  for (const file of linked) {
    test(`${file} links only to files and sections that exist`, () => {
      for (const target of linksOf(read(file))) {
        const [name, anchor] = target.split('#');
        const to = name === '' ? file : path.posix.join(path.posix.dirname(file), name);
        assert.ok(fs.existsSync(path.join(root, to)), target);
        if (anchor !== undefined) assert.ok(anchorsOf(read(to)).has(anchor), target);
      }
    });
  }

  test('show the real keys of the first example', () => {
    const key = indexKey(FIRST.app, FIRST.ownerId);
    assert.ok(read('docs/storage.md').includes(`    ${key}\n`), key);
  });

  test('name only commands that package.json has', () => {
    const commands = /\bnpm (?:run )?(demo|bench|check|test|[a-z]+:[a-z]+)\b/g;
    const names = linked.flatMap((file) => [...read(file).matchAll(commands)]);
    assert.ok(names.length >= 4);
    for (const [command, name] of names) assert.ok(manifest.scripts[name], command);
  });

  test('name every page of docs/ in the README, and every decision in their list', () => {
    const list = read('docs/decisions/README.md');
    for (const file of pages.filter((each) => each !== 'README.md')) {
      const decision = /^docs\/decisions\/(\d.*)$/.exec(file);
      const found = decision ? list.includes(`(${decision[1]})`) : readme.includes(`(${file})`);
      assert.ok(found, file);
    }
  });

  test('the design is short, and so is its glossary', () => {
    const design = read('docs/design.md');
    assert.ok(design.split(/\s+/).length < 2500, `${design.split(/\s+/).length} words`);
    const terms = design.split('## 12. Glossary')[1].match(/^\| .* \|$/gm).length - 1;
    assert.ok(terms <= 25, `${terms} terms`);
  });

  test('the README is read in five minutes: 250 lines, and two tables of more than ten rows', () => {
    assert.ok(readme.split('\n').length <= 251, `${readme.split('\n').length} lines`);
    const tables = readme.match(/(?:^\|.*\n)+/gm).map((table) => table.split('\n').length - 3);
    assert.ok(tables.filter((rows) => rows > 10).length <= 2, `tables of ${tables} rows`);
  });
});

/** What uses the web server of an example, if it has one. @param {string} code */
function userOf(code) {
  if (code.includes("'/logout-everywhere'")) return (shop) => useStore(shop, code);
  if (webServer.test(code)) return (shop) => useShop(shop, code);
  if (code.includes("web.get('/cart'")) return useCart;
  return code.includes("'/devices'") ? useDevices : undefined;
}

/** Relative links of a text in Markdown, without its code. @param {string} text */
function linksOf(text) {
  const prose = withoutCode(text);
  const links = [
    ...prose.matchAll(/\]\(([^)\s]+)\)/g),
    ...prose.matchAll(/(?:src|srcset)="([^"]+)"/g),
  ];
  return links.map(([, target]) => target).filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchors of its headings, as GitHub makes them. @param {string} text */
function anchorsOf(text) {
  const anchors = new Set();
  for (const [, title] of text.replace(/^```.*?^```$/gms, '').matchAll(/^#+ (.+)$/gm)) {
    const slug = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** @param {string} text */
function withoutCode(text) {
  return text.replace(/^```.*?^```$/gms, '').replace(/`[^`\n]*`/g, '``');
}
