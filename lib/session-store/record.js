'use strict';

// Reads a record as it lies in Redis: docs/storage.md. src/record.rs is what the methods use.

/**
 * @param {string} text
 * @returns {{ ownerId: string | undefined, data: Record<string, any> } | undefined} undefined if it is no record
 */
function readRecord(text) {
  const [, owner, data, ...patches] = text.split('\n');
  try {
    const values = new Map(Object.entries(JSON.parse(data)));
    for (const patch of patches) apply(JSON.parse(patch), values);
    return { ownerId: JSON.parse(owner) || undefined, data: Object.fromEntries(values) };
  } catch {
    return undefined;
  }
}

/** @param {any} patch `[set, deleted]`, or an object in which null deletes @param {Map<string, unknown>} values */
function apply(patch, values) {
  const [set, deleted] = Array.isArray(patch) ? patch : [patch, []];
  for (const [key, value] of Object.entries(set)) {
    if (value === null && set === patch) values.delete(key);
    else values.set(key, value);
  }
  for (const key of deleted) values.delete(key);
}

module.exports = { readRecord };
