'use strict';

// Shows how far a command is, on stderr: on a terminal as one line that changes, on a pipe as a line every few seconds.

const [TERMINAL_MS, PIPE_MS] = [200, 5000];

class ProgressLine {
  #stream;
  #text;
  #timer;

  /** @param {NodeJS.WriteStream} stream @param {() => string} text */
  constructor(stream, text) {
    this.#stream = stream;
    this.#text = text;
    this.#timer = setInterval(() => this.#show(), stream.isTTY ? TERMINAL_MS : PIPE_MS);
  }

  /** Shows nothing more, and clears the line on a terminal. A terminal shows ^C there, even if nothing else was shown. */
  end() {
    clearInterval(this.#timer);
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }

  #show() {
    const text = this.#text();
    // A text of more than one line could not be replaced by the next one.
    const columns = this.#stream.columns || 80;
    this.#stream.write(this.#stream.isTTY ? `\r\x1b[K${text.slice(0, columns - 1)}` : `${text}\n`);
  }
}

module.exports = { ProgressLine };
