// SPDX-License-Identifier: Apache-2.0
// The origin of the attack tests, in a process of its own, so that it never is what is slow. Says
// its port, and ends with its stdin. attacks.py starts it.
"use strict";
const http = require("http");

const bodies = {
  "/large": Buffer.alloc(1_000_000, "x"),
  "/medium": Buffer.alloc(200_000, "x"), // more than is held for a stream
  "/held": Buffer.alloc(60_000, "x"),
};
const options = { maxHeaderSize: 256 * 1024, keepAliveTimeout: 60_000, requestTimeout: 0 };

const server = http.createServer(options, (request, response) => {
  const path = "/" + request.url.split("?")[0].split("/").pop();
  request.on("error", () => {});
  if (path === "/wait") { // for ever
    request.resume();
    return;
  }
  const body = bodies[path] ?? "hello";
  request.resume().on("end", () => {
    response.setHeader("content-length", body.length);
    response.end(body);
  });
});
server.on("clientError", (_error, socket) => socket.destroy());
server.listen({ port: Number(process.argv[2] ?? 0), host: "127.0.0.1", backlog: 1024 }, () => {
  console.log(server.address().port);
});
process.stdin.on("end", () => process.exit(0)).resume();
