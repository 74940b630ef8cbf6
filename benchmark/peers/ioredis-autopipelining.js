'use strict';

// The same, with ioredis' own batching switched on.

module.exports = require('./ioredis').peer('ioredis autopipelining', {
  enableAutoPipelining: true,
});
