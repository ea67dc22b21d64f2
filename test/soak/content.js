// SPDX-License-Identifier: Apache-2.0
// What stands in a body follows from a seed and a size, so that the client and the origin each know
// what must come, and no byte can be taken for one of another exchange.
"use strict";

const PERIOD = 65521; // a prime: neighbouring seeds give other bytes at every place
const MOST = 4 << 20;

const text = Buffer.alloc(PERIOD + MOST);
for (let i = 0, state = 1; i < PERIOD; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // as Numerical Recipes have it
  text[i] = 32 + (state >>> 24) % 95;
}
for (let filled = PERIOD; filled < text.length; filled *= 2) {
  text.copy(text, filled, 0, filled);
}

function content(seed, size) {
  const begin = (seed * 7919) % PERIOD;
  return text.subarray(begin, begin + size);
}

// Bytes that come piece by piece, beside those that were expected.
class Comparison {
  constructor(expected) {
    this.expected = expected;
    this.length = 0;
    this.isSame = true;
  }

  take(bytes) {
    const wanted = this.expected.subarray(this.length, this.length + bytes.length);
    this.isSame = this.isSame && bytes.equals(wanted);
    this.length += bytes.length;
  }

  get isWhole() {
    return this.isSame && this.length === this.expected.length;
  }
}

// ---- the site -----------------------------------------------------------------------------------

const ASSETS = 40;
const TYPES = { css: "text/css", js: "text/javascript", png: "image/png" };

// What a page needs, by its number.
function assetsOf(page) {
  const number = (factor) => (page * factor + 1) % ASSETS;
  return [`/asset/${number(3)}.css`, `/asset/${number(7)}.js`, `/asset/${number(11)}.js`];
}

function asset(path) {
  const [, number, ending] = /^\/asset\/(\d+)\.(\w+)$/.exec(path);
  const kind = ending.charCodeAt(0);
  return { type: TYPES[ending], body: content(Number(number) + 100 * kind, 1500 + 400 * number) };
}

const page = (number) => content(Number(number), 4000 + (number % 50) * 300);

function events(seed, count) {
  return Array.from({ length: count }, (_, i) => `id: ${i}\ndata: event ${i} of ${seed}\n\n`);
}

module.exports = { content, Comparison, assetsOf, asset, page, events };
