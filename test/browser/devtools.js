// SPDX-License-Identifier: Apache-2.0
//
// Starts a Chromium with an empty (or given) profile and speaks the DevTools protocol with it over
// two pipes: no port, no library, and it works from inside a network namespace.
'use strict';

const childProcess = require('child_process');
const fs = require('fs');

// Without these, the browser talks to its maker, or asks the user something.
const QUIET_FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-component-extensions-with-background-pages',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-extensions',
  '--disable-sync',
  '--disable-breakpad',
  '--disable-crash-reporter',
  '--disable-dev-shm-usage',
  '--disable-client-side-phishing-detection',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  '--disable-background-timer-throttling',
  '--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider',
  '--hide-scrollbars',
  '--metrics-recording-only',
  '--mute-audio',
  '--no-default-browser-check',
  '--no-first-run',
  '--no-pings',
  '--no-proxy-server',
  '--no-service-autorun',
  '--password-store=basic',
  '--use-mock-keychain',
  '--window-size=1280,800',
];
const CLOSE_LIMIT_MS = 10000;

// One message is JSON up to a zero byte.
class Pipe {
  constructor(input, output, onMessage) {
    this.output = output;
    this.rest = [];
    input.on('data', (data) => {
      let from = 0;
      for (let at; (at = data.indexOf(0, from)) >= 0; from = at + 1) {
        this.rest.push(data.subarray(from, at));
        onMessage(JSON.parse(Buffer.concat(this.rest).toString()));
        this.rest = [];
      }
      this.rest.push(data.subarray(from));
    });
    input.on('error', () => {});
    output.on('error', () => {});
  }

  send(message) {
    this.output.write(JSON.stringify(message) + '\0');
  }
}

class Browser {
  // options: binary, profile (directory), flags, env, stderr (path)
  constructor(options) {
    this.calls = new Map();
    this.listeners = new Map();
    this.lastId = 0;
    const log = fs.openSync(options.stderr, 'w');
    const flags = [
      ...QUIET_FLAGS,
      `--user-data-dir=${options.profile}`,
      '--remote-debugging-pipe',
      ...options.flags,
      'about:blank',
    ];
    // A group of its own, so that all its processes can be ended together.
    this.process = childProcess.spawn(options.binary, flags, {
      stdio: ['ignore', log, log, 'pipe', 'pipe'],
      env: options.env,
      detached: true,
    });
    fs.closeSync(log);
    this.exited = new Promise((resolve) => this.process.on('exit', resolve));
    this.process.on('error', (error) => this.fail(error));
    this.exited.then((code) => this.fail(new Error(`the browser ended (${code})`)));
    this.pipe = new Pipe(this.process.stdio[4], this.process.stdio[3], (m) => this.take(m));
  }

  take(message) {
    const call = this.calls.get(message.id);
    if (call) {
      this.calls.delete(message.id);
      if (message.error) {
        call.reject(new Error(`${call.method}: ${message.error.message}`));
      } else {
        call.resolve(message.result);
      }
    } else if (message.method) {
      const take = this.listeners.get(message.sessionId || '');
      if (take) {
        take(message.method, message.params);
      }
    }
  }

  fail(error) {
    for (const call of this.calls.values()) {
      call.reject(error);
    }
    this.calls.clear();
  }

  call(method, params = {}, sessionId = undefined) {
    const id = ++this.lastId;
    this.pipe.send({id, method, params, sessionId});
    return new Promise((resolve, reject) => this.calls.set(id, {resolve, reject, method}));
  }

  // A new tab. onEvent is called with (method, params) of its events.
  async openPage(onEvent) {
    const {targetId} = await this.call('Target.createTarget', {url: 'about:blank'});
    const {sessionId} = await this.call('Target.attachToTarget', {targetId, flatten: true});
    this.listeners.set(sessionId, onEvent);
    return {
      call: (method, params) => this.call(method, params, sessionId),
      close: () => this.call('Target.closeTarget', {targetId}),
    };
  }

  // An orderly end writes the cache's index, the cookies and the net log.
  async close() {
    const late = setTimeout(() => this.kill(), CLOSE_LIMIT_MS);
    this.call('Browser.close').catch(() => {});
    await this.exited;
    clearTimeout(late);
    this.kill(); // what is left of its group
  }

  kill() {
    try {
      process.kill(-this.process.pid, 'SIGKILL');
    } catch {
      // all gone
    }
  }
}

module.exports = {Browser};
