// SPDX-License-Identifier: Apache-2.0
// The origin of a soak, in a process of its own. What it answers follows from the path alone; it also
// thinks, hints, cuts and leaves where the path says so. Says its port, and ends with its stdin.
"use strict";
const http = require("http");
const { content, Comparison, assetsOf, asset, page, events } = require("./content.js");

const EVENT_MS = 500;
const THINK_MS = 20;
const PIECE = 16384;

const links = (paths) =>
  paths.map((path) => `<${path}>; rel=preload; as=${path.endsWith(".css") ? "style" : "script"}`);

const ANSWERS = {
  file(request, response, [size, seed]) {
    const tag = `"${seed}"`;
    response.setHeader("etag", tag);
    if (request.headers["if-none-match"] === tag) {
      response.writeHead(304).end();
    } else {
      send(response, content(Number(seed), Number(size)));
    }
  },

  // Without a length, in pieces, with a trailer.
  chunked(request, response, [size, seed]) {
    const body = content(Number(seed), Number(size));
    response.setHeader("trailer", "x-size");
    for (let at = 0; at < body.length; at += PIECE) {
      response.write(body.subarray(at, at + PIECE));
    }
    response.addTrailers({ "x-size": size });
    response.end();
  },

  upload(request, response, [size, seed]) {
    const comparison = new Comparison(content(Number(seed), Number(size)));
    request.on("data", (bytes) => comparison.take(bytes));
    request.on("end", () => {
      const word = comparison.isWhole ? "got" : comparison.isSame ? "short" : "other";
      send(response, Buffer.from(`${word} ${comparison.length}`));
    });
  },

  page(request, response, [number]) {
    const needed = links(assetsOf(Number(number)));
    if (number % 3 === 0) { // some name early what they need
      response.writeEarlyHints({ link: needed });
    }
    setTimeout(() => {
      response.setHeader("content-type", "text/html");
      response.setHeader("cache-control", "max-age=60");
      response.setHeader("link", needed);
      send(response, page(Number(number)));
    }, THINK_MS);
  },

  asset(request, response) {
    const { type, body } = asset(request.url);
    response.setHeader("content-type", type);
    response.setHeader("cache-control", "max-age=600");
    send(response, body);
  },

  events(request, response, [count, seed]) {
    const parts = events(Number(seed), Number(count));
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const timer = setInterval(() => {
      response.write(parts.shift());
      if (parts.length === 0) {
        clearInterval(timer);
        response.end();
      }
    }, EVENT_MS);
    response.on("close", () => clearInterval(timer));
  },

  status(request, response, [code]) {
    response.statusCode = Number(code);
    send(response, Buffer.from(code === "204" ? "" : `status ${code}`));
  },

  // Half of what was announced.
  cut(request, response, [size, seed]) {
    response.setHeader("content-length", size);
    response.write(content(Number(seed), Number(size) >> 1), () => response.socket?.end());
  },

  gone(request, response) {
    response.socket.destroy();
  },

  garbage(request, response) {
    response.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx");
  },

  // What the attacks ask for.
  wait() {},
  large: (request, response) => send(response, content(1, 1_000_000)),
  held: (request, response) => send(response, content(1, 60_000)),
  "": (request, response) => send(response, Buffer.from("hello")),
};

function send(response, body) {
  if (response.statusCode !== 204) {
    response.setHeader("content-length", body.length);
  }
  response.end(body);
}

const options = { maxHeaderSize: 256 * 1024, keepAliveTimeout: 60_000, requestTimeout: 0 };
const server = http.createServer(options, (request, response) => {
  const [kind, ...words] = request.url.replace(/^\/second/, "").split("?")[0].slice(1).split("/");
  request.on("error", () => {});
  response.on("error", () => {});
  const answer = Object.hasOwn(ANSWERS, kind) ? ANSWERS[kind] : ANSWERS.status;
  if (kind === "upload") {
    answer(request, response, words);
  } else if (answer === ANSWERS.status && kind !== "status") {
    request.resume();
    answer(request, response, ["404"]);
  } else {
    request.resume().on("end", () => answer(request, response, words));
  }
});
server.on("clientError", (_error, socket) => socket.destroy());
server.listen({ port: Number(process.argv[2] ?? 0), host: "127.0.0.1", backlog: 1024 }, () => {
  console.log(server.address().port);
});
process.stdin.on("end", () => process.exit(0)).resume();
