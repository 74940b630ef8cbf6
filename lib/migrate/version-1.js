'use strict';

// The sessions of version 1 of this package. A key is `app:<app>|token:<token>|ownerId:<ownerId>`. Its value is the
// data as JSON. Version 1 escaped nothing, so some keys can be read in several ways. The token ends at the first
// `|ownerId:`: an owner may contain one, and 128 random bytes hardly ever do.

const TOKEN = '|token:';
const OWNER = '|ownerId:';

/**
 * @param {{ app: string }} options
 * @returns {import('./old-session.js').OldSystem}
 */
function version1({ app }) {
  return {
    prefix: `app:${app}${TOKEN}`,
    needsOwner: true,
    parseKey(rest) {
      const end = rest.indexOf(OWNER);
      const [token, owner] =
        end < 0 ? [rest, ''] : [rest.slice(0, end), rest.slice(end + OWNER.length)];
      // A token never contains this. So it is another app, whose name begins with ours and goes on with `|token:`.
      return token.includes(TOKEN) ? undefined : { token, ownerOf: () => owner };
    },
    isSession: () => true,
  };
}

module.exports = { version1 };
