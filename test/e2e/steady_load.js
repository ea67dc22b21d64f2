// SPDX-License-Identifier: Apache-2.0
// Asks at a steady rate, whatever the answers do, over HTTP/2 and HTTP/1.1 connections, and says
// what came of it. steady_load.py starts it with one JSON object as argument:
//
//   lanes      [{url, count}]: so many connections, used in turn; https is HTTP/2, http HTTP/1.1
//   path, size what is asked for again and again, and how long it is
//   rate       requests a second, of all lanes together; 0: none
//   recycle    requests after which a connection gives way to a new one, 0: never
//   long       {path, size, count}: asked for at the word "long", spread over the lanes
//
// Words on stdin: "long", "report", "times" (how long the answers since the last such word took, in
// ms), "stop" (ask nothing new, wait for the rest, report, end). A report is one line of JSON.
"use strict";
const http = require("http");
const http2 = require("http2");
const readline = require("readline");

const plan = JSON.parse(process.argv[2]);
const REFUSED_STREAM = 7;
const report = {
  asked: 0, good: 0, long_begun: 0, long_good: 0, open: 0,
  connections: 0, goaways: 0, closes: 0, // what the server said
  // asked once more, as a client may: the server had not begun on it
  again_h2: 0, // not taken before GOAWAY
  again_h1: 0, // the idle connection was closed when the request was on its way
  turned_away: 0, // no connection was to be had
  failures: [],
};
const lanes = plan.lanes.flatMap(({ url, count }) =>
  Array.from({ length: count }, () => ({ url, isH2: url.startsWith("https:"), used: 0 })));
let times = [];
let isStopping = false;
let turn = 0;

function fail(task, text) {
  report.failures.push(`${task.path} over ${task.lane.url}: ${text}`);
  end();
}

function end() {
  report.open--;
  if (isStopping && report.open === 0) {
    leave();
  }
}

function ask(path, size, isLong) {
  const lane = lanes[turn++ % lanes.length];
  const task = { path, size, isLong, lane, length: 0, status: 0, tries: 0, isOver: false };
  report.asked++;
  report.open++;
  task.began = performance.now();
  send(task);
}

function send(task) {
  task.tries++;
  task.isOver = false;
  (task.lane.isH2 ? sendH2 : sendH1)(task);
}

// An answer, or what there is of it, is here.
function judge(task, error) {
  if (task.isOver) {
    return;
  }
  task.isOver = true;
  if (error !== null) {
    fail(task, `${error} after status ${task.status} and ${task.length} bytes`);
  } else if (task.status !== 200 || task.length !== task.size) {
    fail(task, `status ${task.status}, ${task.length} bytes`);
  } else {
    report.good++;
    times.push(performance.now() - task.began);
    report.long_good += task.isLong ? 1 : 0;
    end();
  }
}

// The server did nothing with it, so it is not a failure yet.
function sendAgain(task) {
  if (task.isOver) {
    return;
  }
  task.isOver = true;
  if (task.tries > 5) {
    fail(task, "never taken");
    return;
  }
  report[task.lane.isH2 ? "again_h2" : "again_h1"]++;
  setTimeout(send, 20, task);
}

function turnAway(task) {
  if (!task.isOver) {
    task.isOver = true;
    report.turned_away++;
    end();
  }
}

// --- HTTP/2 -------------------------------------------------------------------------------------

function openH2(lane) {
  if (lane.session && !lane.session.destroyed && !lane.session.closed) {
    if (plan.recycle === 0 || lane.used++ < plan.recycle) {
      return lane.session;
    }
    lane.session.close();
  }
  const session = http2.connect(lane.url, { rejectUnauthorized: false, settings: { enablePush: false } });
  session.wasOpen = false;
  session.setMaxListeners(0);
  session.on("connect", () => { session.wasOpen = true; report.connections++; });
  session.on("goaway", (code) => {
    session.hasGoaway = true;
    report.goaways++;
    if (code !== 0) {
      report.failures.push(`goaway ${code}`);
    }
  });
  session.on("error", () => {}); // its streams tell
  lane.session = session;
  lane.used = 1;
  return session;
}

function sendH2(task) {
  const session = openH2(task.lane);
  const stream = session.request({ ":path": task.path });
  let error = null;
  stream.on("response", (headers) => {
    task.status = headers[":status"];
    report.long_begun += task.isLong ? 1 : 0;
  });
  stream.on("data", (bytes) => { task.length += bytes.length; });
  stream.on("error", (reason) => { error = reason; });
  stream.on("close", () => {
    const isUntouched = task.status === 0;
    if (isUntouched && !session.wasOpen) {
      turnAway(task);
    } else if (isUntouched && (stream.rstCode === REFUSED_STREAM || stream.id === undefined)) {
      sendAgain(task);
    } else {
      judge(task, error ?? (stream.rstCode === 0 ? null : `reset ${stream.rstCode}`));
    }
  });
}

// --- HTTP/1.1 -----------------------------------------------------------------------------------

// One connection, on which requests wait for each other as long as there are few of them.
function openH1(lane) {
  lane.agent ??= new http.Agent({ keepAlive: true, maxSockets: 8 });
  return lane.agent;
}

function sendH1(task) {
  const agent = openH1(task.lane);
  const isLast = plan.recycle > 0 && task.lane.used++ % plan.recycle === 0;
  const headers = isLast ? { connection: "close" } : {};
  const request = http.get(task.lane.url + task.path, { agent, headers }, (response) => {
    task.status = response.statusCode;
    report.long_begun += task.isLong ? 1 : 0;
    report.closes += response.headers.connection === "close" && !isLast ? 1 : 0;
    response.on("data", (bytes) => { task.length += bytes.length; });
    response.on("error", (error) => judge(task, error));
    response.on("end", () => judge(task, response.complete ? null : "cut"));
  });
  request.on("socket", () => { report.connections += request.reusedSocket ? 0 : 1; });
  request.on("error", (error) => {
    if (task.status !== 0) {
      judge(task, error);
    } else if (request.reusedSocket) { // closed while the request was on its way (RFC 9112 9.3.1)
      sendAgain(task);
    } else {
      turnAway(task);
    }
  });
}

// --- the words ----------------------------------------------------------------------------------

function say() {
  process.stdout.write(JSON.stringify(report) + "\n");
}

function sayTimes() {
  const sorted = times.sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  times = [];
  process.stdout.write(JSON.stringify(
    { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }) + "\n");
}

function leave() {
  say();
  process.exit(0);
}

const began = Date.now();
let due = 0;
function keepAsking() {
  const wanted = ((Date.now() - began) / 1000) * plan.rate;
  for (; due < wanted && !isStopping; due++) {
    ask(plan.path, plan.size, false);
  }
}
const ticker = setInterval(keepAsking, 5);

readline.createInterface({ input: process.stdin }).on("line", (word) => {
  if (word === "long") {
    for (let i = 0; i < plan.long.count; i++) {
      ask(plan.long.path, plan.long.size, true);
    }
  } else if (word === "report") {
    say();
  } else if (word === "times") {
    sayTimes();
  } else {
    clearInterval(ticker);
    isStopping = true;
    if (report.open === 0) {
      leave();
    }
  }
}).on("close", () => process.exit(1));
