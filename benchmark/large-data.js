'use strict';

// Data of one mebibyte as JSON, in the shapes that differ most in how JSON is read and written.

const mebibyte = 2 ** 20;

/** By name; each has 2^20 bytes of JSON to within a few thousandths. */
const shapes = {
  string: () => ({ text: 'All work and no play. '.repeat(mebibyte / 22) }),

  fields: () =>
    Object.fromEntries(
      Array.from({ length: 10000 }, (_, index) => [
        `field${index}`,
        `the value of field ${index}, `.padEnd(90, 'and so on, '),
      ]),
    ),

  nested: () => ({
    cart: Array.from({ length: 8400 }, (_, index) => ({
      id: 100000 + index,
      name: `Tea pot no. ${index}`,
      price: { amount: 19.99 + index, currency: 'EUR' },
      tags: ['garden', 'tea'],
      available: index % 3 > 0,
    })),
  }),
};

module.exports = { shapes };
