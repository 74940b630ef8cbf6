'use strict';

// What an editor shows while a user types: a text for each public name, and the right completions. The
// tests ask TypeScript's language service, because index.d.ts is the only reference.

const assert = require('node:assert/strict');
const path = require('node:path');
const { describe, test } = require('node:test');
const ts = require('typescript-5');
const { METHODS } = require('./support/requests.js');

const root = path.join(__dirname, '..');
const declarations = path.join(root, 'index.d.ts');
/** A user's file, which exists only in the editor. */
const user = path.join(root, 'user.ts');
const HEAD = `import type * as ours from './index.js';
import { SpotsSessions } from './index.js';
declare const sessions: SpotsSessions;
`;

let text = HEAD;
let version = 0;
const read = (name) => (name === user ? text : ts.sys.readFile(name));
const service = ts.createLanguageService({
  getScriptFileNames: () => [user, declarations],
  getScriptVersion: (name) => (name === user ? String(version) : '0'),
  getScriptSnapshot: (name) => {
    const found = read(name);
    return found === undefined ? undefined : ts.ScriptSnapshot.fromString(found);
  },
  getCurrentDirectory: () => root,
  getCompilationSettings: () => ({
    strict: true,
    module: ts.ModuleKind.Node16,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'],
  }),
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (name) => name === user || ts.sys.fileExists(name),
  readFile: read,
  directoryExists: ts.sys.directoryExists,
  getDirectories: ts.sys.getDirectories,
});

/**
 * Opens a file with these lines, and returns the position in each that a bar marks.
 *
 * @param {string[]} lines
 * @returns {number[]}
 */
function open(lines) {
  text = HEAD;
  version++;
  return lines.map((line) => {
    const [before, after] = line.split('|');
    const place = text.length + before.length;
    text += `${before}${after}\n`;
    return place;
  });
}

/** The lines in which a hover shows no text. @param {string[]} lines each with a bar where it hovers */
function unexplained(lines) {
  const places = open(lines);
  return lines.filter((line, n) => {
    const info = service.getQuickInfoAtPosition(user, places[n]);
    assert.ok(info, `nothing is known of ${line}`);
    return ts.displayPartsToString(info.documentation).trim() === '';
  });
}

/** The names that are offered at the bar. @param {string} line */
function offered(line) {
  const [place] = open([line]);
  return service.getCompletionsAtPosition(user, place, {}).entries.map(({ name }) => name);
}

/**
 * The names that users can import, and the members that each declares.
 *
 * @returns {Map<string, string[]>}
 */
function publicNames() {
  open([]);
  const program = service.getProgram();
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(declarations);
  const isOurs = (symbol) => symbol.declarations?.some((node) => node.getSourceFile() === file);
  const membersOf = (type) => {
    const parts = type.isUnion() ? type.types : [type];
    const objects = parts.filter(({ flags }) => flags & ts.TypeFlags.StructuredType);
    const symbols = objects.flatMap((object) => checker.getPropertiesOfType(object));
    return [...new Set(symbols.filter(isOurs).map((symbol) => symbol.name))];
  };
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(file));
  return new Map(
    exported.map((symbol) => [symbol.name, membersOf(checker.getDeclaredTypeOfSymbol(symbol))]),
  );
}

describe('an editor', () => {
  const names = publicNames();
  const entries = [...names];

  test('knows every public name', () => {
    const rows = {
      SpotsSessions: [...METHODS, 'close', 'client', 'on'],
      SpotsSessionsOptions: [
        'connectionString',
        'host',
        'password',
        'tokenSize',
        'lazyConnect',
        'tls',
      ],
      CreateRequest: ['app', 'ownerId', 'data', 'duration'],
      GetRequest: ['app', 'token'],
      NodeAddress: ['host', 'port'],
      SpotsSessionsError: ['name', 'code', 'redisCode'],
    };
    for (const [name, members] of Object.entries(rows)) {
      for (const member of members)
        assert.ok(names.get(name).includes(member), `${name}.${member}`);
    }
    assert.ok(names.has('Cluster') && names.has('Redis') && names.has('SessionsClient'));
  });

  test('explains every export', () => {
    assert.deepEqual(unexplained(entries.map(([name]) => `type _ = ours.|${name}`)), []);
  });

  test('explains every member of every export, where it is used', () => {
    const lines = entries.flatMap(([name, members]) =>
      members
        .filter((member) => !member.startsWith('__@')) // a symbol: Symbol.asyncDispose
        .map((member) => `({} as Extract<ours.${name}, object>).|${member};`),
    );
    assert.ok(lines.length > 100, `${lines.length} members`);
    assert.deepEqual(unexplained(lines), []);
  });

  test('explains every option and argument, where it is written', () => {
    const literals = entries
      .filter(([name]) => /Options$|Request$|Address$|Timeouts$/.test(name))
      .flatMap(([name, members]) =>
        members.map((member) => `({ |${member}: null! }) satisfies ours.${name};`),
      );
    const options = names
      .get('SpotsSessionsOptions')
      .map((option) => `new SpotsSessions({ |${option}: null! });`);
    const get = names.get('GetRequest').map((each) => `sessions.get({ |${each}: null! });`);
    assert.ok(literals.length > 60 && options.length > 30 && get.length === 2);
    assert.deepEqual(unexplained([...literals, ...options, ...get]), []);
  });

  test('explains every way to construct an instance', () => {
    const [place] = open(['new SpotsSessions(|)']);
    const { items } = service.getSignatureHelpItems(user, place, {});
    assert.ok(items.length >= 2);
    for (const { documentation, parameters } of items) {
      assert.notEqual(ts.displayPartsToString(documentation), '');
      for (const parameter of parameters) {
        assert.notEqual(ts.displayPartsToString(parameter.documentation), '', parameter.name);
      }
    }
  });

  test('offers all options, and no members of URL, wherever options are written', () => {
    const rows = [
      ['new SpotsSessions({ | })', ['connectionString', 'host', 'tokenSize', 'lazyConnect']],
      ['new SpotsSessions({ h| })', ['connectionString', 'host', 'tokenSize', 'lazyConnect']],
      ['new SpotsSessions({ tokenSize: 32, | })', ['connectionString', 'host', 'lazyConnect']],
      ["new SpotsSessions({ tokenSize: 'x', | })", ['connectionString', 'host', 'lazyConnect']],
      ['new SpotsSessions({ connectionString: { | } })', ['host', 'password', 'lazyConnect']],
      ['new SpotsSessions({ tls: { | } })', ['ca', 'servername']],
      ['new SpotsSessions({ cluster: [{ | }] })', ['host', 'port']],
      ['sessions.get({ | })', ['app', 'token']],
    ];
    for (const [line, wanted] of rows) {
      const all = offered(line);
      for (const name of wanted) assert.ok(all.includes(name), `${line} offers ${name}`);
      for (const name of ['hash', 'hostname', 'href', 'searchParams', 'toJSON']) {
        assert.ok(!all.includes(name), `${line} does not offer ${name}`);
      }
    }
  });

  test('never shows a text that refers to another text', () => {
    assert.doesNotMatch(read(declarations), /as said there/);
  });
});
