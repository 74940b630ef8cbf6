'use strict';

// GETs of the sessions that layout.js wrote, ready-made texts on a plain socket, whose replies are
// counted and thrown away: what the server itself makes of so many keys.

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
/** @type {string[]} as many GETs each */
const texts = [];

answer({
  /** Of the `count` sessions, `keep` are looked up in turn, in random order, as worker.js has it. */
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
    // A found record comes with two, and has none in itself.
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
