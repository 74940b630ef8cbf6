'use strict';

// Packs the packages as npm would publish them, and installs them into empty projects.

const fs = require('node:fs');
const path = require('node:path');
const { execFile, temporaryFolder } = require('../../scripts/children.js');

const root = path.join(__dirname, '..', '..');
const manifest = require('../../package.json');

/** The built addon's file name, and the platform package that carries it. */
function builtAddon() {
  const files = fs.readdirSync(root).filter((name) => /^sessions\..+\.node$/.test(name));
  if (files.length !== 1) throw new Error(`expected one built addon, found: ${files.join(', ')}`);
  const [file] = files;
  const platform = file.split('.')[1];
  return { file, platform, folder: path.join(root, 'npm', platform) };
}

/**
 * Runs a program and resolves to its output. If it fails, the error has its output.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env?: Record<string, string> }} options
 */
async function output(command, args, { cwd, env }) {
  try {
    const { stdout } = await execFile(command, args, { cwd, env: { ...process.env, ...env } });
    return stdout;
  } catch (error) {
    const said = `${error.stdout ?? ''}${error.stderr ?? ''}`;
    throw new Error(`${command} ${args.join(' ')}\n${said || error.message}`, { cause: error });
  }
}

/** Runs a program that prints one JSON text, and resolves to the value. */
async function json(command, args, options) {
  return JSON.parse(await output(command, args, options));
}

class Workplace {
  folder = temporaryFolder('package-');

  /** @param {string} name @returns {string} the path of a new, empty folder */
  newFolder(name) {
    const folder = path.join(this.folder, name);
    fs.mkdirSync(folder);
    return folder;
  }

  /**
   * Packs the package that a folder would publish.
   *
   * @param {string} folder
   * @returns {Promise<{ tarball: string, files: string[], manifest: Record<string, any> }>}
   */
  async pack(folder) {
    const args = ['pack', '--json', '--pack-destination', this.folder];
    const answer = await json('npm', args, { cwd: folder });
    // An array up to npm 11, and an object with the package names since.
    const [{ filename, files }] = Object.values(answer);
    return {
      tarball: path.join(this.folder, filename.replace('@', '').replace('/', '-')),
      files: files.map((file) => file.path).sort(),
      manifest: JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')),
    };
  }

  /** The platform package of this machine, with the built addon in it, as `napi artifacts` puts it there. */
  async packPlatform() {
    const { file, platform, folder } = builtAddon();
    const copy = this.newFolder(platform);
    fs.cpSync(folder, copy, { recursive: true });
    fs.copyFileSync(path.join(root, file), path.join(copy, file));
    return this.pack(copy);
  }

  /**
   * An empty project with these packages in it, installed by npm from their tarballs.
   *
   * @param {string} name
   * @param {string[]} tarballs
   */
  async newProject(name, tarballs) {
    const cwd = this.newFolder(name);
    fs.writeFileSync(path.join(cwd, 'package.json'), JSON.stringify({ name, private: true }));
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
    await output('npm', ['install', ...quiet, ...tarballs], { cwd });
    return cwd;
  }

  /**
   * The same project as pnpm lays it out: each package lies in `.pnpm` beside links to its own
   * dependencies, and only what the project itself asks for can be found from it.
   *
   * @param {string} name
   * @param {string} flat a project as npm lays it out
   * @param {string[]} wanted by the project itself
   */
  asPnpm(name, flat, wanted) {
    const cwd = this.newFolder(name);
    fs.writeFileSync(path.join(cwd, 'package.json'), JSON.stringify({ name, private: true }));
    const installed = path.join(flat, 'node_modules');
    const link = (from, to) => {
      fs.mkdirSync(path.dirname(from), { recursive: true });
      if (!fs.existsSync(from)) fs.symlinkSync(to, from, 'junction');
    };
    /** @type {(name: string) => string} */
    const store = (dependency) => {
      const source = path.join(installed, dependency);
      const text = fs.readFileSync(path.join(source, 'package.json'), 'utf8');
      const { version, dependencies = {}, optionalDependencies = {} } = JSON.parse(text);
      const place = `${dependency.replace('/', '+')}@${version}`;
      const modules = path.join(cwd, 'node_modules', '.pnpm', place, 'node_modules');
      const target = path.join(modules, dependency);
      if (fs.existsSync(target)) return target;
      fs.cpSync(source, target, { recursive: true, dereference: true });
      for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) {
        if (fs.existsSync(path.join(installed, each))) link(path.join(modules, each), store(each));
      }
      return target;
    };
    for (const each of wanted) link(path.join(cwd, 'node_modules', each), store(each));
    return cwd;
  }

  remove() {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @param {string} name of a package @param {string} bin its program, a JavaScript file */
function tool(name, bin) {
  return path.join(root, 'node_modules', name, bin);
}

module.exports = { Workplace, builtAddon, manifest, output, root, tool };
