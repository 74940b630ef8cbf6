'use strict';

// CPU time of this process and of its main thread, in microseconds.

const fs = require('node:fs');

/** Linux only. The main thread's id is the process id. The file's first field is the CPU time in nanoseconds. */
const schedstat = `/proc/self/task/${process.pid}/schedstat`;

/** @returns {number} `NaN` if the system does not report it */
function mainThreadMicros() {
  if (typeof process.threadCpuUsage === 'function') {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  }
  try {
    return Number(fs.readFileSync(schedstat, 'latin1').split(' ')[0]) / 1000;
  } catch {
    return Number.NaN;
  }
}

function processMicros() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

module.exports = { mainThreadMicros, processMicros };
