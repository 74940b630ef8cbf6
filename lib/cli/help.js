'use strict';

// The texts of `--help`. They fit into 80 columns.

const { twoColumns } = require('./layout.js');
const { COMMON } = require('./options.js');

const PROGRAM = 'npx @spots-tech/sessions';
const WIDTH = 80;

const SERVER = `The server: [url] is a connection string, such as redis://localhost:6379,
rediss://…, redis-sentinel://… or redis-cluster://…. Without it, REDIS_URL is
used. Other users of the machine see a password in an argument, so use
REDIS_URL, or leave the password out: you are asked for it on a terminal.`;

const EXIT_CODES = `Exit codes: 0 fine, 1 something is wrong, 2 wrong usage, 3 the server cannot be
reached or refuses the login, 130 interrupted.`;

/** @param {import('./index.js').Command[]} commands */
function helpOfAll(commands) {
  const rows = commands.map(
    ({ name, summary }) => /** @type {[string, string]} */ ([name, summary]),
  );
  return `Looks after users' sessions in Redis.

Usage: ${PROGRAM} <command> [url] [options]

Commands:
${twoColumns(rows, WIDTH)}

${PROGRAM} <command> --help explains each.
--version prints the version.

${SERVER}

${EXIT_CODES}

Example:
  export REDIS_URL=rediss://user@redis.example.com:6379
  ${PROGRAM} ${commands[0].name}`;
}

/** @param {import('./index.js').Command} command */
function helpOf({ name, summary, usage, options, help }) {
  const rows = Object.entries({ ...options, ...COMMON }).map(([option, { short, value, what }]) => {
    const label = `--${option}${value ? ` ${value}` : ''}`;
    return /** @type {[string, string]} */ ([short ? `-${short}, ${label}` : label, what ?? '']);
  });
  return `${name}: ${summary}

Usage: ${PROGRAM} ${usage}

Options:
${twoColumns(rows, WIDTH)}

${help.trim()}

${SERVER}

${EXIT_CODES}`;
}

module.exports = { PROGRAM, helpOf, helpOfAll };
