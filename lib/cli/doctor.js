'use strict';

const { readOptions } = require('../options.js');
const { withSessions } = require('./connect.js');
const { ok, problem, warning } = require('./doctor/finding.js');
const { EXIT, describeError, exitCodeOf } = require('./errors.js');
const { PROGRAM } = require('./help.js');

/** What to do about an error that says what is wrong, and not what helps. */
const REMEDIES = [
  [/WRONGPASS|invalid password/, 'check the user and the password of the URL'],
  [/NOAUTH/, 'set REDIS_URL to one with a password'],
  [/arguments for 'auth'/, 'upgrade the server: it has no users before Redis 6'],
  [/needs Redis/, 'upgrade the server'],
];

/** @type {import('./index.js').Command} */
const command = {
  name: 'doctor',
  summary: 'checks the server, and says how to fix each problem',
  usage: 'doctor [url]',
  options: {},
  help: `
It checks that the server can be reached, its version, encryption, access
rights, eviction, persistence, replicas, the slots of a Cluster, the clock, the
round-trip time and the number of sessions. It creates a session of its own, in
the app spots-doctor, and ends it at once. It changes nothing else.

"problem" costs sessions, or makes calls fail: the exit code is 1. "warning" may
be as you want it. "unknown" could not be checked.

On a pipe each finding is a line of fields with tabs between them: status,
check, message, remedy, command. With --json it prints { "ok", "checks":
[{ "check", "status", "message", "remedy", "command" }] }. "remedy" and
"command", which is for redis-cli, may be left out.

Example:
  ${PROGRAM} doctor redis://localhost:6379`,

  async run(context) {
    const { Report } = require('./doctor/report.js');
    const report = new Report(context.terminal, context.values.json);
    let code = EXIT.fine;
    try {
      await withSessions(context, async (sessions, options) => {
        const settings = readOptions(options);
        const failure = await sessions.ping().catch((error) => error);
        if (failure && !isPartial(failure, settings.server)) throw failure;
        const isReached = await examine(sessions, settings, report);
        if (!isReached) code = EXIT.unreachable;
        else if (report.count('problem') > 0) code = EXIT.wrong;
      });
    } catch (error) {
      code = exitCodeOf(error);
      if (code === EXIT.usage) throw error;
      const says = describeError(error);
      const [, remedy] = REMEDIES.find(([pattern]) => pattern.test(says)) ?? [];
      report.add('connection', [problem(says, remedy)]);
    }
    report.end();
    return code;
  },
};

/**
 * Whether there is more to find after a failed ping: which of several servers is away, or which right is missing.
 *
 * @param {any} failure
 * @param {any} server
 */
function isPartial({ code, redisCode }, { cluster, sentinels }) {
  const isAway = code === 'ERR_SESSIONS_CONNECTION' || code === 'ERR_SESSIONS_TIMEOUT';
  return redisCode === 'NOPERM' || (isAway && (cluster ?? sentinels) !== undefined);
}

/**
 * Makes all checks. Resolves to whether a primary could be reached.
 *
 * @param {import('../../index.js').SpotsSessions} sessions
 * @param {any} settings those of `sessions`
 * @param {import('./doctor/report.js').Report} report
 */
async function examine(sessions, settings, report) {
  const { countSessions } = require('./doctor/count.js');
  const { checkRights, checkSentinelRights } = require('./doctor/rights.js');
  const {
    checkEncryption,
    checkEviction,
    checkPersistence,
    checkVersion,
  } = require('./doctor/server-checks.js');
  const { connectAll } = require('./doctor/servers.js');
  const { checkClock, checkRoundTrip } = require('./doctor/timing.js');
  const { checkCluster, checkReplicas } = require('./doctor/topology.js');
  const { trySession } = require('./doctor/trial.js');

  const servers = await connectAll(settings);
  const nodes = servers.nodes.filter(({ failure }) => !failure);
  const primaries = nodes.filter(({ isPrimary }) => isPrimary);
  try {
    report.add('connection', connections(servers));
    if (primaries.length === 0) return false;
    report.add('version', await checkVersion(nodes));
    report.add('encryption', await checkEncryption(nodes, settings.server));
    report.add('rights', await checkRights({ ...servers, nodes }, settings));
    report.add('rights', await checkSentinelRights(servers, settings));
    report.add('eviction', await checkEviction(nodes));
    report.add('persistence', await checkPersistence(nodes));
    report.add('replicas', await checkReplicas(servers));
    if (servers.kind === 'cluster') report.add('cluster', await checkCluster(servers));
    report.add('clock', await checkClock(nodes));
    report.add('round trip', await checkRoundTrip(primaries));
    report.add('sessions', await countSessions(primaries, settings.prefix));
    // Where something is wrong, it would only be slow to fail.
    if (report.count('problem') === 0) report.add('trial', await trySession(sessions));
    return true;
  } finally {
    for (const server of [...servers.nodes, ...servers.sentinels]) server.close();
  }
}

/** @param {import('./doctor/servers.js').Servers} servers @returns {import('./doctor/finding.js').Finding[]} */
function connections({ kind, nodes, sentinels }) {
  const answering = nodes.filter(({ failure }) => !failure);
  const names = {
    server: 'server',
    sentinel: 'server behind Sentinel',
    cluster: 'node of a Cluster',
  };
  const where = answering.map(({ address }) => address).join(', ');
  const lost = nodes.filter(({ failure }) => failure);
  const hasPrimary = nodes.some(({ isPrimary }) => isPrimary);
  return [
    ...(answering.length > 0 ? [ok(`${names[kind]} at ${where}`)] : []),
    ...lost.map(({ address, failure, isPrimary }) =>
      (isPrimary ? problem : warning)(`${address} cannot be reached: ${failure}`, 'is it running?'),
    ),
    ...sentinels
      .filter(({ failure }) => failure)
      .map(({ address, failure }) =>
        warning(`sentinel ${address} cannot be reached: ${failure}`, 'is it running?'),
      ),
    ...disagreements(sentinels),
    ...(hasPrimary ? [] : [problem('no primary can be found', 'are the servers above running?')]),
  ];
}

/**
 * Warns if sentinels tell different primaries. The rest of the checks follows the first of them.
 *
 * @param {import('./doctor/servers.js').Servers['sentinels']} sentinels
 */
function disagreements(sentinels) {
  const told = new Set(sentinels.flatMap(({ primary }) => primary ?? []));
  if (told.size < 2) return [];
  const says = `the sentinels do not agree on the primary: ${[...told].join(', ')}`;
  const remedy =
    'run this again, in case a failover is under way; else see SENTINEL MASTERS on each';
  return [warning(says, remedy)];
}

module.exports = command;
