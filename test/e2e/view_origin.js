// SPDX-License-Identifier: Apache-2.0
// Node's HTTP server: prints its port, then a line of JSON for each request that it saw to its end.
// Used by five_origins.py.
'use strict';
const http = require('http');

const pairs = (flat) =>
  flat.flatMap((name, at) => (at % 2 ? [] : [[name.toLowerCase(), flat[at + 1]]]));
const show = (view) => process.stdout.write(JSON.stringify(view) + '\n');

const server = http.createServer({ maxHeaderSize: 1 << 17, keepAliveTimeout: 60000 });
server.on('request', (request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    show({
      method: request.method,
      target: request.url,
      fields: pairs(request.rawHeaders),
      body: Buffer.concat(parts).toString('latin1'),
      trailers: pairs(request.rawTrailers),
    });
    response.end(request.url);
  });
});
for (const event of ['connect', 'upgrade']) {
  server.on(event, (request, socket) => {
    show({ method: event, target: request.url, fields: [], body: '', trailers: [] });
    socket.destroy();
  });
}
server.listen(0, '127.0.0.1', () => process.stdout.write(server.address().port + '\n'));
