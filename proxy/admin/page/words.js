// SPDX-License-Identifier: Apache-2.0
// Plain words for the names that stand as labels in the metrics. A name that is not here is shown
// as it is.
'use strict';

const WORDS = {
  // PUSH_REASON_LIST in include/push/push_plan.h
  outcomes: {
    promised: 'Pushed: promised to the client',
    hinted: 'Hinted: named in a 103, so that the client asks for it early',
    bad_url: 'Skipped: the link is malformed',
    self: 'Skipped: the link names the page itself',
    repeated: 'Named once more for the same page: dealt with already',
    nopush: 'Not pushed: the link says nopush',
    hint_only: 'Not pushed: it can only be hinted',
    other_site: 'Not pushed: it is on another site',
    off: 'Not pushed: push is off on this route',
    method: 'Skipped: the page was not asked for with GET',
    conditional: 'Not pushed yet: the client may still have the page',
    status: 'Skipped: the page was no success',
    nested: 'Skipped: the page was itself a push',
    client: 'Not pushed: the client takes none, like all browsers of today',
    policy: 'Not pushed: the Accept-Push-Policy is against it',
    behind_proxy: 'Not pushed: an unknown proxy is between',
    credentials: 'Not pushed: the page was asked for with a login',
    refused: 'Not pushed: this client refuses pushes',
    memory: 'Not pushed: outrider was short of memory',
    already: 'Skipped: the client was given it on this connection',
    unfit: 'Skipped: an earlier push of it was not fit to be pushed',
    unwanted: 'Not pushed: most clients refused it lately',
    in_cache: 'Not pushed: the client has it from an earlier visit',
    returning: 'Not pushed: the client was here before',
    too_many: 'Not pushed: too many for one page, or open at once',
    too_late: 'Skipped: named with the answer, too late for a 103',
  },
  // METRIC_LIMIT_LIST in include/base/metrics.h
  limits: {
    connections: 'Client connections',
    address: 'Connections of one address',
    descriptors: 'File descriptors: none was left for a new connection',
    handshake_time: 'TLS handshake took too long',
    head: 'Request head too large (431)',
    uri: 'Address too long (414)',
    body: 'Content of a request too large (413)',
    request_time: 'Request came too slowly',
    write_time: 'Client took nothing for too long',
    resets: 'HTTP/2: too many resets and refused streams',
    frames: 'HTTP/2: too many frames without content',
    memory: 'Memory: a request was refused',
    origin_line: 'Connections and line of an origin full (503)',
    response_head: 'Response head of an origin too large (502)',
    interim: 'Too many 1xx responses of an origin (502)',
  },
  // FAULT_LIST in include/base/fault.h, those whose name does not say enough
  faults: {
    client_gone: 'The client left (ordinary)',
    client_reset: 'The client reset the request (ordinary)',
    push_unwanted: 'A push was taken back (ordinary)',
    misdirected: 'Address that the connection does not serve',
    draining: 'outrider was shutting down',
    conn_reset: 'The connection was reset',
    conn_timeout: 'Connection silent too long',
    tls_handshake: 'TLS handshake failed',
    protocol: 'The client broke the protocol',
    abuse: 'The client asked too much and was sent away',
    origin_dns: 'The name of the origin does not resolve',
    origin_reset: 'The origin closed before it answered',
    origin_cut: 'The response of the origin was cut short',
    origin_timeout: 'The origin was silent too long',
    origin_busy: 'The connections of the origin and its line are full',
  },
};

// A label in plain words. Names may come from outside, so only our own entries count.
function wordsFor(list, name) {
  return Object.hasOwn(WORDS[list], name) ? WORDS[list][name]
    : plain(name).replaceAll('_', ' ');
}

// Text of strangers without what would change how the text around it is shown: controls, marks of
// direction, spaces of no width.
function plain(text) {
  return String(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}

// ---- numbers ------------------------------------------------------------------------------------

const UNKNOWN = '–';

function shorten(value, digits = 3) {
  return value.toLocaleString('en', {maximumSignificantDigits: Math.max(digits,
    Math.trunc(value).toString().length)});
}

function count(value) {
  return value < 1e6 ? Math.round(value).toLocaleString('en') : `${shorten(value / 1e6)} M`;
}

function perSecond(value) {
  return value === null ? UNKNOWN : `${shorten(value, 2)}/s`;
}

function bytes(value, step = 1000, mark = '') {
  let unit = 0;
  for (; value >= step - 0.5 && unit < 5; unit++) {
    value /= step;
  }
  return unit === 0 ? `${Math.round(value)} B` : `${shorten(value)} ${'KMGTP'[unit - 1]}${mark}B`;
}

// In the units of the configuration.
function memory(value) {
  return bytes(value, 1024, 'i');
}

function speed(value) {
  return value === null ? UNKNOWN : `${bytes(value)}/s`;
}

// A part of a whole: "none" and "all" are exact, what is between is never rounded to them.
function percent(part, whole) {
  if (!(whole > 0)) {
    return UNKNOWN;
  }
  const share = Math.min(100, 100 * part / whole);
  if (share > 0 && share < 0.1) {
    return '< 0.1 %';
  }
  return share > 99.9 && share < 100 ? '> 99.9 %' : `${shorten(share, share < 10 ? 2 : 3)} %`;
}

function milliseconds(ms) {
  if (ms < 1) {
    return '< 1 ms';
  }
  return ms < 1000 ? `${shorten(ms, 2)} ms` : `${shorten(ms / 1000)} s`;
}

// Of a quantile: Infinity is beyond the last bound.
function seconds(value, bounds) {
  if (value === null) {
    return UNKNOWN;
  }
  return value === Infinity ? `> ${bounds[bounds.length - 1]} s` : milliseconds(value * 1000);
}

function span(value) {
  const units = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
  value = Math.max(0, Math.floor(value));
  const [name, size] = units.find(([, unit]) => value >= 2 * unit) || units[3];
  const number = Math.floor(value / size);
  return `${number} ${name}${number === 1 ? '' : 's'}`;
}

function day(unixSeconds) {
  return new Date(unixSeconds * 1000).toLocaleDateString('en-CA');
}

function clock(date) {
  return date.toLocaleTimeString('en-GB');
}
