'use strict';

// Sends GETs for the sessions that layout.js wrote, over a plain socket. The commands are prepared beforehand, and the
// replies are only counted. This shows how the server alone behaves with that many keys.

const { once } = require('node:events');
const net = require('node:net');
const { driveBatches } = require('../driver');
const { shuffle } = require('../handles');
const { command, keysOf, tokenOf } = require('../layout');
const { answer } = require('../requests');

/** GETs per write. */
const batch = 64;

const carriageReturn = 13;

let socket;
/** @type {string[]} each has `batch` GETs */
const texts = [];

answer({
  /** Prepares GETs for `keep` of the `count` sessions, in random order, like `fill` in worker.js. */
  async open({ url, count, keep }) {
    const { hostname, port, pathname } = new URL(url);
    socket = net.connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(command('SELECT', pathname.slice(1)));
    await once(socket, 'data');

    const every = Math.max(1, Math.floor(count / keep));
    const gets = [];
    for (let index = 0; index < count && gets.length < keep; index += every) {
      gets.push(command('GET', keysOf(tokenOf(index)).session));
    }
    while (gets.length < keep) gets.push(gets[gets.length % count]);
    shuffle(gets);
    for (let first = 0; first + batch <= gets.length; first += batch) {
      texts.push(gets.slice(first, first + batch).join(''));
    }
  },

  async run({ ms }) {
    return driveBatches(getBatch, batch, { inFlight: 1, ms });
  },
});

/** @param {number} index */
function getBatch(index) {
  const text = texts[index % texts.length];
  return new Promise((resolve, reject) => {
    // Each reply with a record has two carriage returns, and the record itself has none.
    let expected = 2 * batch;
    const read = (chunk) => {
      if (chunk.includes('$-1\r')) reject(new Error('the server has not all the sessions'));
      let at = chunk.indexOf(carriageReturn);
      for (; at !== -1; at = chunk.indexOf(carriageReturn, at + 1)) expected--;
      if (expected > 0) return;
      socket.off('data', read);
      resolve();
    };
    socket.on('data', read).write(text);
  });
}
