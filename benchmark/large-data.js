'use strict';

// Data of almost 1 MiB of JSON, the default of `maxDataSize`. The shapes are those that differ most in how JSON is
// parsed and written.

const mebibyte = 2 ** 20;

/** By name. Each has about 99% of 2^20 bytes as JSON. */
const shapes = {
  string: () => ({ text: 'All work and no play. '.repeat((0.99 * mebibyte) / 22) }),

  fields: () =>
    Object.fromEntries(
      Array.from({ length: 9700 }, (_, index) => [
        `field${index}`,
        `the value of field ${index}, `.padEnd(90, 'and so on, '),
      ]),
    ),

  nested: () => ({
    cart: Array.from({ length: 8350 }, (_, index) => ({
      id: 100000 + index,
      name: `Tea pot no. ${index}`,
      price: { amount: 19.99 + index, currency: 'EUR' },
      tags: ['garden', 'tea'],
      available: index % 3 > 0,
    })),
  }),
};

module.exports = { shapes };
