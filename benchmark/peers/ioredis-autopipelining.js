'use strict';

// ioredis by hand, with its autopipelining switched on.

module.exports = require('./ioredis').peer('ioredis autopipelining', {
  enableAutoPipelining: true,
});
