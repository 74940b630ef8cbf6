'use strict';

/**
 * Returns the keys in a reply to SCAN, as a server sends it. Returns undefined if it is another reply.
 *
 * @param {Buffer} bytes
 * @returns {string[] | undefined}
 */
function keysOfScan(bytes) {
  const [head] = /^\*2\r\n\$\d+\r\n\d+\r\n\*\d+\r\n/.exec(bytes.toString('latin1', 0, 100)) ?? [];
  if (head === undefined) return undefined;
  const keys = [];
  for (let at = head.length; at < bytes.length; ) {
    const begin = bytes.indexOf('\r\n', at) + 2;
    const end = begin + Number(bytes.toString('latin1', at + 1, begin));
    keys.push(bytes.toString('utf8', begin, end));
    at = end + 2;
  }
  return keys;
}

module.exports = { keysOfScan };
