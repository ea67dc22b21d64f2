// SPDX-License-Identifier: Apache-2.0
// The well-behaved clients of a soak: they ask for a mixture of things over HTTP/2 and HTTP/1.1, at
// a steady rate whatever the answers do, and judge every answer. scripts/soak starts it with one JSON
// object as argument:
//
//   url        of the TLS listener, without a path
//   rate       requests a second that begin by the clock; what pages need comes on top
//   lanes      {h2, push, h1}: connections of each sort
//   long       event streams that are under way at any time
//   patience   seconds that the longest of all takes, but for event streams: twice as long
//
// Words on stdin: "report"; "down" and "up" around a time in which the second origin is away; "stop"
// (ask nothing new, wait for the rest, end). Each is answered with a report, one line of JSON.
"use strict";
const http2 = require("http2");
const https = require("https");
const readline = require("readline");
const tls = require("tls");
const { content, Comparison, assetsOf, asset, page, events } = require("./content.js");

const { url, rate, lanes, long, patience } = JSON.parse(process.argv[2]);
const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = http2.constants;
const LIMIT_MS = 30000; // for an answer, beyond what it is meant to take
const RECOVERY_MS = 2000; // for the second origin to be found again
const PAGES = 3000;
const DECLARED = "/asset/0.css"; // hinted with every page, by the configuration
const BROWSER = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
const WINDOW = 1 << 20;
const PAUSE_MS = 1000 * patience;

const report = {
  asked: 0, good: 0, failed: 0, open: 0,
  kinds: {}, // name: good ones
  reasons: {}, // of failures
  examples: [], // of failures
  pushes: 0, refused: 0, // promises that were taken to the end, and that the client refused
  hints: 0, hinted: 0, // 103s, and links in them
  aborted: 0, cut: 0, // by the client; by the origin, and told so
  excused: 0, // while the second origin was away
  again: 0, // asked once more, since the server had not begun on it
  connections: 0, received: 0,
};
const open = new Set(); // tasks
const away = []; // [from, until] of the second origin
const times = []; // of small answers, in ms
let isStopping = false;
let hasLeft = false;
let seed = 0;

// Repeatable, unlike Math.random.
let dice = 12345;
function draw(limit) {
  dice = (Math.imul(dice, 1103515245) + 12345) >>> 0;
  return Math.floor((dice / 2 ** 32) * limit);
}

// ---- a task: one request and what must come of it --------------------------------------------------

class Task {
  constructor(kind, path, options) {
    Object.assign(this, {
      kind, path, method: "GET", headers: {}, status: 200, expected: content(0, 0), takes: 0,
      upload: null, // what is sent
      pieces: 0, // of it, one every 100 ms; 0: all at once
      pause: 0, // ms without reading
      isCut: false, // by the origin
      isAborted: false, // by us, after the first bytes
      isError: false, // an answer of the server's own, with a text that is not judged
      isSecond: path.startsWith("/second/"),
      on103: () => {}, onEnd: () => {},
    }, options);
    this.tries = 0;
    report.asked++;
    this.begin();
  }

  begin() {
    this.began = performance.now();
    this.seen = 0; // status
    this.comparison = new Comparison(this.expected);
    this.isOver = false;
    this.cancel = () => {};
    open.add(this);
  }

  head(status, headers) {
    this.seen = status;
    this.fields = headers;
  }

  data(bytes) {
    report.received += bytes.length;
    this.comparison.take(bytes);
  }

  // The answer is over; error is null when it ended as it should.
  end(error) {
    if (this.isOver) {
      return;
    }
    this.leave();
    const problem = this.judge(error);
    if (problem === null) {
      report.good++;
      report.kinds[this.kind] = (report.kinds[this.kind] ?? 0) + 1;
      this.onEnd(this);
    } else if (this.isSecond && this.isExcused()) {
      report.excused++;
    } else {
      fail(`${this.kind}: ${problem}`, `${this.method} ${this.path}, ${this.comparison.length} bytes`);
    }
    leaveWhenDone();
  }

  leave() {
    this.isOver = true;
    open.delete(this);
  }

  judge(error) {
    const { comparison } = this;
    if (this.isCut && error !== null && comparison.isSame && !comparison.isWhole) {
      report.cut++;
      return null;
    }
    if (error !== null) {
      return `${error} after status ${this.seen}`;
    }
    if (this.isCut) {
      return "a cut body was passed as whole";
    }
    if (this.seen !== this.status) {
      return `status ${this.seen}`;
    }
    if (this.isError) {
      return null;
    }
    if (!comparison.isWhole) {
      return comparison.isSame ? "too few bytes" : "other bytes";
    }
    if (this.kind === "small") {
      times.push(performance.now() - this.began);
    }
    return null;
  }

  // Only what the origin's absence explains: not that nothing came at all, nor other bytes.
  isExcused() {
    const now = performance.now();
    const isExplained = this.seen >= 502 || (this.comparison.isSame && !this.comparison.isWhole);
    return isExplained && away.some(([from, until]) => this.began <= until + RECOVERY_MS && now >= from);
  }

  // The server did nothing with it, so it is not a failure yet.
  again(send) {
    if (this.isOver) {
      return;
    }
    this.isOver = true; // for the moment
    if (++this.tries > 5) {
      this.leave();
      fail(`${this.kind}: never taken`, this.path);
      leaveWhenDone();
    } else {
      report.again++;
      setTimeout(() => { this.begin(); send(this); }, 50);
    }
  }
}

function fail(reason, text) {
  report.failed++;
  report.reasons[reason] = (report.reasons[reason] ?? 0) + 1;
  if (report.examples.length < 50) {
    report.examples.push(`${(performance.now() / 1000).toFixed(1)} s: ${reason}: ${text}`);
  }
}

// Who gets no answer says so, instead of waiting for ever.
function lookForLate() {
  for (const task of open) {
    if (performance.now() - task.began > LIMIT_MS + task.takes) {
      task.isSecond = false; // that is nobody's excuse
      task.end(`no end within ${LIMIT_MS / 1000} s`);
      task.cancel();
    }
  }
}

// ---- connections -----------------------------------------------------------------------------------

function makeLanes(count, make) {
  const made = Array.from({ length: count }, make);
  let turn = 0;
  return () => made[turn++ % made.length];
}

class H2Lane {
  // A connection gives way to a new one after so many requests.
  constructor(lifetime, takesPush) {
    this.lifetime = lifetime;
    this.takesPush = takesPush;
    this.used = draw(lifetime); // so that not all go at once
    this.session = null;
  }

  connect() {
    if (this.session !== null && !this.session.destroyed && !this.session.closed) {
      if (++this.used < this.lifetime) {
        return this.session;
      }
      // Not at once: Node would drop what was asked a moment ago.
      setTimeout((session) => session.close(), 100, this.session);
    }
    const session = http2.connect(url, {
      settings: { enablePush: this.takesPush, initialWindowSize: WINDOW },
      rejectUnauthorized: false,
    });
    report.connections++;
    session.setMaxListeners(0);
    session.on("connect", () => session.setLocalWindowSize(WINDOW));
    session.on("goaway", (code) => code !== 0 && fail(`goaway ${code}`, "a connection of ours"));
    session.on("error", () => {}); // its streams tell
    session.on("stream", (stream, headers) => takePromise(session, stream, headers));
    session.wanted = new Set(); // by the pages that it has asked for
    this.session = session;
    this.used = 0;
    return session;
  }

  send(task) {
    const session = this.connect();
    const headers = { ":path": task.path, ":method": task.method, ...task.headers };
    const stream = session.request(headers, { endStream: task.upload === null });
    task.needed?.forEach((path) => session.wanted.add(path));
    task.cancel = (code) => stream.close(code ?? NGHTTP2_CANCEL);
    stream.on("headers", (fields) => fields[":status"] === 103 && task.on103(fields));
    stream.on("response", (fields) => task.head(fields[":status"], fields));
    receive(stream, task);
    stream.on("close", () => {
      const isUntouched = task.seen === 0;
      if (isUntouched && (stream.rstCode === NGHTTP2_REFUSED_STREAM || stream.id === undefined)) {
        task.again((it) => this.send(it));
      } else {
        task.end(task.error ?? resetOf(stream));
      }
    });
    upload(stream, task);
  }
}

function resetOf(stream) {
  return stream.rstCode === 0 ? null : `reset ${stream.rstCode}`;
}

function takePromise(session, stream, headers) {
  const path = headers[":path"];
  if (!session.wanted.has(path)) {
    fail("push: nobody needs it", path);
  }
  if (draw(20) === 0) {
    report.refused++;
    stream.on("error", () => {});
    stream.close(NGHTTP2_CANCEL);
    return;
  }
  const task = new Task("push", path, {
    expected: asset(path).body,
    onEnd: () => { report.pushes++; },
  });
  report.asked--; // by nobody
  stream.on("push", (fields) => task.head(fields[":status"], fields));
  receive(stream, task);
  stream.on("close", () => task.end(task.error ?? resetOf(stream)));
}

class H1Lanes {
  constructor(count, lifetime) {
    this.lifetime = lifetime;
    this.agent = new https.Agent({ keepAlive: true, maxSockets: count, rejectUnauthorized: false });
  }

  send(task, agent = this.agent) {
    const headers = { ...task.headers, ...(draw(this.lifetime) === 0 ? { connection: "close" } : {}) };
    const request = https.request(url + task.path, { agent, method: task.method, headers }, (response) => {
      task.head(response.statusCode, response.headers);
      receive(response, task);
      response.on("close", () => task.end(task.error ?? (response.complete ? null : "cut")));
    });
    task.cancel = () => request.destroy();
    request.on("socket", () => { report.connections += request.reusedSocket ? 0 : 1; });
    request.on("error", (error) => {
      if (task.seen === 0 && request.reusedSocket && task.upload === null) { // RFC 9112 section 9.3.1
        task.again((it) => this.send(it));
      } else {
        task.end(error.code ?? error.message);
      }
    });
    upload(request, task);
  }
}

function receive(stream, task) {
  task.error = null;
  stream.on("error", (error) => { task.error ??= error.code ?? error.message; });
  stream.on("data", (bytes) => {
    task.data(bytes);
    if (task.isAborted) {
      report.aborted++;
      report.good++;
      task.leave();
      task.cancel();
      leaveWhenDone();
    } else if (task.pause > 0) {
      stream.pause();
      setTimeout(() => stream.resume(), task.pause);
      task.pause = 0;
    }
  });
}

function upload(stream, task) {
  if (task.upload === null) {
    stream.end();
    return;
  }
  if (task.pieces === 0) {
    stream.end(task.upload);
    return;
  }
  const size = Math.ceil(task.upload.length / task.pieces);
  let at = 0;
  const timer = setInterval(() => {
    if (task.isOver || stream.destroyed) {
      clearInterval(timer);
      return;
    }
    stream.write(task.upload.subarray(at, at + size));
    at += size;
    if (at >= task.upload.length) {
      clearInterval(timer);
      stream.end();
    }
  }, 100);
}

const h2Lane = makeLanes(lanes.h2, () => new H2Lane(400, false));
const pushLane = makeLanes(lanes.push, () => new H2Lane(15, true));
const slowLane = makeLanes(4, () => new H2Lane(5, false)); // one that waits must not hold up others
const h1 = new H1Lanes(lanes.h1, 200);
const h1Long = new H1Lanes(long, 1);

function anyLane() {
  return draw(3) === 0 ? h1 : h2Lane();
}

// ---- what is asked -----------------------------------------------------------------------------------

const size = (least, most) => least + draw(most - least);

function askFile(kind, least, most, options = {}, lane = anyLane()) {
  const bytes = size(least, most);
  const number = ++seed;
  const path = `/file/${bytes}/${number}` + (draw(4) === 0 ? `?turn=${number}` : "");
  lane.send(new Task(kind, path, { expected: content(number, bytes), ...options }));
}

function askUpload(kind, least, most, options = {}, lane = anyLane()) {
  const bytes = size(least, most);
  const number = ++seed;
  const headers = draw(2) === 0 ? { "content-length": bytes } : {};
  lane.send(new Task(kind, `/upload/${bytes}/${number}`, {
    method: "POST", headers, upload: content(number, bytes), expected: Buffer.from(`got ${bytes}`),
    ...options,
  }));
}

function drawPage() { // some are asked for much more often than others
  return Math.floor((draw(PAGES) * draw(PAGES)) / PAGES);
}

function askAssets(lane, paths) {
  for (const path of paths) {
    lane.send(new Task("asset", path, { expected: asset(path).body }));
  }
}

function visitWithPush() {
  const number = drawPage();
  const needed = assetsOf(number);
  pushLane().send(new Task("page with push", `/page/${number}`, { expected: page(number), needed }));
}

function visitAsBrowser() {
  const number = drawPage();
  const lane = h2Lane();
  const needed = assetsOf(number);
  const on103 = (fields) => {
    const paths = [...String(fields.link).matchAll(/<([^>]+)>/g)].map((match) => match[1]);
    report.hints++;
    report.hinted += paths.length;
    for (const path of paths.filter((path) => path !== DECLARED && !needed.includes(path))) {
      fail("hint: nobody needs it", `${path} of page ${number}`);
    }
  };
  lane.send(new Task("page with hint", `/page/${number}`, {
    headers: BROWSER, expected: page(number), on103, onEnd: () => askAssets(lane, needed),
  }));
}

function askChunked() {
  const bytes = size(1, 60000);
  const number = ++seed;
  anyLane().send(new Task("chunked", `/chunked/${bytes}/${number}`, { expected: content(number, bytes) }));
}

function askAgain() { // who has it already
  const number = ++seed;
  const headers = { "if-none-match": `"${number}"` };
  anyLane().send(new Task("validated", `/file/1000/${number}`, { headers, status: 304 }));
}

function askOdd() {
  const code = [204, 404, 410, 500, 503][draw(5)];
  const expected = Buffer.from(code === 204 ? "" : `status ${code}`);
  anyLane().send(new Task(`status ${code}`, `/status/${code}`, { status: code, expected }));
}

function askBroken() {
  const number = ++seed;
  const kind = ["cut", "gone", "garbage"][draw(3)];
  const options = kind === "cut"
    ? { isCut: true, expected: content(number, 50000) }
    : { status: 502, isError: true };
  anyLane().send(new Task(`origin: ${kind}`, `/${kind}/50000/${number}`, options));
}

function askSecond() {
  const bytes = size(1, 30000);
  const number = ++seed;
  const path = `/second/file/${bytes}/${number}`;
  anyLane().send(new Task("second origin", path, { expected: content(number, bytes) }));
}

function askEvents() {
  const number = ++seed;
  const count = size(1, 4 * patience + 1); // two a second
  const expected = Buffer.from(events(number, count).join(""));
  const options = { expected, takes: count * 500 };
  const task = new Task("event stream", `/events/${count}/${number}`, options);
  (draw(2) === 0 ? h1Long : h2Lane()).send(task);
}

function keepLong() {
  const running = [...open].filter((task) => task.kind === "event stream").length;
  for (let i = running; i < long && !isStopping; i++) {
    askEvents();
  }
}

const MIXTURE = [ // [share, what]
  [470, () => askFile("small", 1, 4000)],
  [80, () => askFile("medium", 10000, 60000)],
  [5, () => askFile("large", 500000, 1500000)],
  [60, askChunked],
  [40, () => askFile("head", 1, 9000, { method: "HEAD", expected: content(0, 0) })],
  [40, askAgain],
  [70, () => askUpload("upload", 1, 60000)],
  [4, () => askUpload("large upload", 500000, 1500000)],
  [10, () => askUpload("slow upload", 5000, 50000, { pieces: 10, takes: 1000 })],
  [50, visitWithPush],
  [50, visitAsBrowser],
  [25, askOdd],
  [12, askBroken],
  [50, askSecond],
  [10, () => askFile("aborted", 100000, 1500000, { isAborted: true })],
  [2, () => askFile("slow reader", 300000, 900000, { pause: PAUSE_MS, takes: PAUSE_MS }, slowLane())],
];
const SHARES = MIXTURE.reduce((sum, [share]) => sum + share, 0);

function askSomething() {
  let at = draw(SHARES);
  const [, ask] = MIXTURE.find(([share]) => (at -= share) < 0);
  ask();
}

const began = performance.now();
let due = 0;
const ticker = setInterval(() => {
  const wanted = ((performance.now() - began) / 1000) * rate;
  for (; due < wanted; due++) {
    askSomething();
  }
}, 10);
setInterval(() => { lookForLate(); keepLong(); }, 500);

// ---- the words --------------------------------------------------------------------------------------

function say() {
  report.open = open.size;
  process.stdout.write(JSON.stringify(report) + "\n");
}

function leaveWhenDone() {
  if (isStopping && !hasLeft && open.size === 0) {
    hasLeft = true;
    const sorted = Float64Array.from(times).sort();
    const at = (share) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
    Object.assign(report, { p50: at(0.5), p99: at(0.99), slowest: at(1) });
    say();
    process.stdout.write("", () => process.exit(0));
  }
}

const WORDS = {
  report: say,
  down: () => { away.push([performance.now(), Infinity]); say(); },
  up: () => { away[away.length - 1][1] = performance.now(); say(); },
  stop: () => {
    isStopping = true;
    clearInterval(ticker);
    leaveWhenDone();
  },
};
readline.createInterface({ input: process.stdin })
  .on("line", (word) => WORDS[word]())
  .on("close", () => process.exit(1));
keepLong();
