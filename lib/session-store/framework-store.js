'use strict';

// The class that SessionStore extends. It is express-session's own Store if that package is installed, so that
// `instanceof session.Store` holds. Otherwise it is an EventEmitter with the methods of it that SessionStore uses.

const { EventEmitter } = require('node:events');

class PlainStore extends EventEmitter {
  load(sid, callback) {
    this.get(sid, (error, session) => {
      if (error || !session) return callback(error);
      callback(null, this.createSession({ sessionID: sid, sessionStore: this }, session));
    });
  }

  /** Makes the session of a request, of the classes of a session that the middleware generates for nobody. */
  createSession(request, session) {
    const { expires, originalMaxAge, ...attributes } = session.cookie;
    const nobody = Object.create(request);
    this.generate(nobody);
    const { constructor: Session, cookie: model } = nobody.session;
    const cookie = Object.create(Object.getPrototypeOf(model));
    session.cookie = Object.assign(cookie, { path: '/', httpOnly: true, ...attributes });
    cookie.expires = typeof expires === 'string' ? new Date(expires) : (expires ?? null);
    cookie.originalMaxAge = originalMaxAge;
    request.session = new Session(request, session);
    return request.session;
  }
}

function findStore() {
  try {
    return require('express-session').Store;
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    return PlainStore;
  }
}

module.exports = { FrameworkStore: findStore() };
