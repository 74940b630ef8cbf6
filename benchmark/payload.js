'use strict';

// The sessions that every peer stores. Their data is flat, because redis-sessions stores only flat data.

const app = 'benchmark';

/** In seconds. Long enough that nothing expires during a run. */
const duration = 3600;

const person = {
  firstName: 'John',
  lastName: 'Doe',
  role: 'editor',
  ip: '203.0.113.195',
  locale: 'en-GB',
  visits: 42,
  verified: true,
};

const userAgent =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36';

const description =
  'Enamelled inside, so that it neither rusts nor tastes of iron; the infuser lifts out and the lid stays on while you pour. Keeps tea warm for an hour. Hand wash only. Delivered within three working days, or fetch it from the shop in Market Street.';

/** Data by the approximate length of its JSON text. Numeric keys are bytes. */
const payloads = {
  170: { ...person, device: 'Firefox 131 on Linux x86_64', theme: 'dark' },
  250: { ...person, userAgent },
  '0.2 KiB': {
    ...person,
    device: 'Firefox 131 on Linux x86_64',
    theme: 'dark',
    cart: 'c0ffee-42-decaf00d',
  },
  '2 KiB': filled({ ...person, userAgent, theme: 'dark' }, 2048),
  '20 KiB': filled({ ...person, userAgent, theme: 'dark' }, 20480),
};

/** Adds flat fields of viewed shop items until the JSON text has the given length. */
function filled(data, bytes) {
  const length = () => JSON.stringify(data).length;
  for (let item = 1; length() < bytes - 420; item++) {
    const number = 1000 + 37 * item;
    data[`viewed${item}`] =
      `/shop/garden/teapot-${number}?from=search Cast-iron teapot no. ${number} for ${1 + (item % 6)} cups. ${description}`;
    data[`price${item}`] = (1999 + 250 * item) / 100;
    if (item % 5 === 0) data[`bought${item}`] = true;
  }
  data.note = '';
  data.note = 'Leave it with the neighbours, please. '.repeat(12).slice(0, bytes - length());
  return data;
}

/**
 * The session with the number `index`, which is also in its data as `visits`.
 *
 * @param {keyof typeof payloads} size
 * @param {number} index
 * @param {number} [perOwner] how many sessions each owner has
 */
function sessionOf(size, index, perOwner = 1) {
  const data = { ...payloads[size], visits: index };
  return { app, ownerId: ownerOf(index, perOwner), data, duration };
}

/** @param {number} index of a session @param {number} perOwner */
function ownerOf(index, perOwner) {
  return `user-${Math.floor(index / perOwner)}`;
}

/** The data that `update` merges, about 30 bytes. */
function patchOf(index) {
  return { theme: 'dark', visits: index };
}

module.exports = { app, duration, ownerOf, sessionOf, patchOf };
