// SPDX-License-Identifier: Apache-2.0
// Asks for stats.json every two seconds and shows what it says; gives commands.
'use strict';

const POLL_MS = 2000;
const SLOWEST_MS = 30000;
const ANSWER_LIMIT_MS = 8000;
const DAY_S = 86400;
const FIRST_PAGES = matchMedia('(max-width: 900px)').matches ? 5 : 15;

const traffic = new History();

const is = (name) => (other) => other === name;

// ---- state --------------------------------------------------------------------------------------

function showState(stats) {
  const {metrics, reloads, descriptors, bounds, workers, now_s: now} = stats;
  const {resident, used, ceiling, level} = stats.memory;
  say($('state'), plain(stats.state));
  $('state').className = `pill ${stats.state === 'ready' ? 'fine' : 'warning'}`;
  document.title = `${plain(stats.state)} · outrider`;
  const silent = Math.max(0, ...workers.map((worker) => number(worker.silent_ms)));
  const late = quantile(traffic.entries('loop_lag_seconds', WINDOW_S), bounds.seconds, 0.99);
  const latest = bounds.seconds.find((bound) => bound >= late) ?? Infinity;
  const [first] = [...stats.certificates].sort((a, b) => a.not_after_s - b.not_after_s);
  const left = first ? first.not_after_s - now : 0;
  sayAll({
    uptime: span(stats.uptime_s),
    'uptime-note': `version ${plain(stats.version)}, ${
      percent(stats.cpu_s, stats.uptime_s)} of a CPU`,
    workers: count(workers.length),
    'workers-note': silent > 3000 ? `one is silent for ${milliseconds(silent)}`
      : late === null ? 'no figures yet' : `late by at most ${seconds(latest, bounds.seconds)}`,
    reload: `${span(now - reloads.reloaded_s)} old`,
    'reload-note': `${count(reloads.good)} reloads, ${count(reloads.failed)} failed`,
    certificate: !first ? 'none' : left > 0 ? span(left) : 'expired',
    'certificate-note': first ? `${plain(first.name)}, ${day(first.not_after_s)}` : 'no TLS',
    memory: memory(resident),
    'memory-note': ceiling > 0 ? `${percent(used, ceiling)} of ${memory(ceiling)}: ${plain(level)}`
      : 'no ceiling',
    connections: count(total(metrics, 'connections')),
    'connections-note': `${count(total(metrics, 'connections', is('http2')))} of them HTTP/2`,
    exchanges: count(total(metrics, 'exchanges')),
    'exchanges-note': `${count(total(metrics, 'exchanges', is('push')))} of them pushes`,
    dropped: count(stats.log_dropped),
    'dropped-note': `${count(descriptors.open)} of ${count(descriptors.limit)} descriptors open`,
  });
}

// ---- what needs attention -----------------------------------------------------------------------

function noticesOf(stats, origins) {
  const {memory, reloads, descriptors, metrics} = stats;
  const notices = [];
  const problem = (text) => notices.push(['Problem', text]);
  const warning = (text) => notices.push(['Warning', text]);
  if (stats.live === false) {
    problem('A worker is silent. /live fails, so who watches it will start outrider anew.');
  }
  if (stats.state !== 'ready') {
    warning(`Not ready: ${plain(stats.state)}. /ready fails, so that no new clients come.`);
  }
  if (reloads.error) {
    problem(`The last reload failed; what was in force stays. ${plain(reloads.error)}`);
  }
  for (const {name, listener, not_after_s: end} of stats.certificates) {
    const left = end - stats.now_s;
    if (left < 21 * DAY_S) {
      const when = left > 0 ? `expires in ${span(left)}` : `has expired on ${day(end)}`;
      (left < 7 * DAY_S ? problem : warning)(
        `The certificate of ${plain(name)} (${plain(listener)}) ${when}.`);
    }
  }
  if (memory.level === 'short') {
    warning('Memory is short: nothing is pushed or learned for now.');
  } else if (memory.level === 'full') {
    problem('Memory is full: new requests are refused for now.');
  }
  for (const {name, health: [level, text]} of origins) {
    if (level) {
      notices.push([level, `Origin ${plain(name)}: ${text}.`]);
    }
  }
  if (descriptors.open > 0.8 * descriptors.limit) {
    warning(`${count(descriptors.open)} of ${count(descriptors.limit)} descriptors are open.`);
  }
  const wasted = total(metrics, 'push_content_bytes_total', is('wasted'));
  if (wasted > 1e6 && wasted > 0.3 * total(metrics, 'sent_content_bytes_total', is('push'))) {
    warning('Much of what is pushed is wasted. Sort the pages by “Wasted” to see where.');
  }
  return notices;
}

// ---- traffic ------------------------------------------------------------------------------------

const isError = (name) => /(5xx|none)$/.test(name);

function showTraffic({metrics, bounds: {seconds: bounds}}) {
  const rate = (family, test, end) => traffic.rate(family, test, NOW_S, end);
  const flow = (family, test) => speed(rate(family, test));
  const time = (share, family = 'request_duration_seconds', end = undefined) =>
    quantile(traffic.entries(family, MINUTE_S, end), bounds, share);
  const show = (value) => seconds(value, bounds);
  const [errors, all] = [isError, null].map((test) =>
    traffic.growth('requests_total', test, MINUTE_S));
  sayAll({
    requests: perSecond(rate('requests_total')),
    'requests-note': ['2xx', '3xx', '4xx', '5xx'].map((code) =>
      `${code} ${perSecond(rate('requests_total', (name) => name.endsWith(code)))}`).join(', '),
    errors: percent(errors, all),
    'errors-note': `${count(errors)} in the last minute, ${
      count(total(metrics, 'requests_total', isError))} since start`,
    time: show(time(0.5)),
    'time-note': `95 % within ${show(time(0.95))}, 99 % within ${show(time(0.99))}; ${
      ''}half of the origins’ answers within ${show(time(0.5, 'origin_head_seconds'))}`,
    bytes: flow('sent_content_bytes_total'),
    'bytes-note': `${flow('sent_content_bytes_total', is('push'))} of it pushed; ${
      flow('received_content_bytes_total')} came in`,
  });
  const chart = (id, figure, format) => draw($(`${id}-chart`), traffic.series(figure), format);
  chart('requests', (at) => rate('requests_total', null, at), perSecond);
  chart('errors', (at) => rate('requests_total', isError, at), perSecond);
  chart('bytes', (at) => rate('sent_content_bytes_total', null, at), speed);
  const last = bounds[bounds.length - 1];
  const median = (at) => time(0.5, undefined, at);
  chart('time', (at) => median(at) && Math.min(last, median(at)), show);
}

// ---- push and hints -----------------------------------------------------------------------------

function showVerdicts({metrics, bounds, pages}) {
  const lead = histogram(metrics, 'early_lead_seconds');
  if (lead.count > 0) {
    const half = seconds(quantile(lead.buckets, bounds.seconds, 0.5), bounds.seconds);
    sayAll({lead: milliseconds(1000 * lead.sum / lead.count),
      'lead-note': `won on average: so long before the origin answered, hints and pushes left. ${
        count(lead.count)} visits, half of them more than ${half}.`});
  }
  // Not the sum of delivered and wasted: what is refused late is both.
  const pushed = total(metrics, 'sent_content_bytes_total', is('push'));
  if (pushed > 0) {
    const wasted = total(metrics, 'push_content_bytes_total', is('wasted'));
    sayAll({wasted: percent(wasted, pushed),
      'wasted-note': `wasted: of 100 pushed bytes ${shorten(100 * wasted / pushed, 2)} went to ${
        ''}clients that refused them, ${bytes(wasted)} of ${bytes(pushed)}.`});
  }
  // Late refusals are among the completed ones.
  const ended = total(metrics, 'pushes_total', (name) => name !== 'refused_late');
  if (ended > 0) {
    const [completed, refused, late] = ['completed', 'refused', 'refused_late'].map((name) =>
      total(metrics, 'pushes_total', is(name)));
    sayAll({accepted: percent(completed - late, ended),
      'accepted-note': `of ${count(ended)} pushes accepted, ${count(refused + late)} refused (${
        count(late)} when all was sent), ${
        count(ended - completed - refused)} taken back or failed.`});
  }
  const [spared, size] = ['spared', 'spared_bytes'].map((name) =>
    pages.reduce((sum, page) => sum + number(page[name]), 0));
  if (spared > 0) {
    sayAll({spared: size > 0 ? bytes(size) : count(spared), 'spared-note': `spared: ${
      count(spared)} candidates were left out since the client has them already.`});
  }
}

const sentOf = (page) => page.promised + page.hinted + page.passed;
const leadOf = (page) => (page.early > 0 ? page.lead_ms / page.early : -1);
const SORTS = {sent: sentOf, lead: leadOf};

let sorting = {by: 'visits', direction: -1};
let isAllShown = false;

// The one thing to know of a page, and whether it is bad.
function verdictOf(page) {
  if (page.refused >= 3 && page.refused > page.promised / 2) {
    return ['mostly refused: the clients have it', true];
  }
  if (page.wasted_bytes > page.pushed_bytes / 3) {
    return ['wasteful: much is refused after it was sent', true];
  }
  if (page.taken_back >= 3 && page.taken_back > page.promised / 2) {
    return ['mostly taken back: not fit to be pushed', true];
  }
  if (sentOf(page) === 0) {
    return [page.spared > 0 ? 'nothing to send: the clients have it' : 'nothing sent', false];
  }
  return [page.early > 0 ? 'gains time' : 'sent with the answer: gains little time', false];
}

function cellsOf(page) {
  const part = (value, whole) => (value > 0 ? percent(value, whole) : '');
  return [
    [plain(page.page), verdictOf(page)[0]],
    page.early > 0 ? [milliseconds(leadOf(page)), `${count(page.early)} visits`] : UNKNOWN,
    count(page.visits),
    count(page.candidates),
    [count(sentOf(page)), page.promised > 0 ? `${count(page.promised)} pushed` : '',
      `${count(page.promised)} pushed, ${count(page.hinted)} hinted, ${
        count(page.passed)} passed on`],
    [count(page.completed), part(page.completed, page.promised)],
    [count(page.refused), part(page.refused, page.promised)],
    [count(page.taken_back), part(page.taken_back, page.promised)],
    bytes(page.pushed_bytes),
    [bytes(page.wasted_bytes), part(page.wasted_bytes, page.pushed_bytes + page.wasted_bytes)],
    [count(page.spared), page.spared_bytes > 0 ? bytes(page.spared_bytes) : ''],
  ];
}

function showPages() {
  const {by, direction} = sorting;
  const value = SORTS[by] || ((page) => page[by]);
  const pages = [...traffic.last.pages].sort((a, b) =>
    direction * ((value(a) > value(b)) - (value(a) < value(b))) || b.visits - a.visits);
  const shown = isAllShown ? pages : pages.slice(0, FIRST_PAGES);
  fill($('pages'), shown.map(cellsOf), (row, index) => {
    row.className = verdictOf(shown[index])[1] ? 'poor' : '';
  });
  $('pages-more').hidden = pages.length <= FIRST_PAGES;
  say($('pages-more'), isAllShown ? `Show ${FIRST_PAGES} pages` : `Show all ${pages.length} pages`);
}

function sortBy(by) {
  const first = by === 'page' ? 1 : -1; // names from A, numbers from the largest
  sorting = {by, direction: sorting.by === by ? -sorting.direction : first};
  const order = sorting.direction > 0 ? 'ascending' : 'descending';
  for (const head of $('pages').tHead.rows[0].cells) {
    head.setAttribute('aria-sort', head.dataset.sort === by ? order : 'none');
  }
  if (traffic.last) {
    showPages();
  }
}

// ---- origins, and what is counted by kind -------------------------------------------------------

// A problem: more than one request in twenty failed within a minute.
function healthOf(asked, bad, waiting) {
  if (bad > 0) {
    return [20 * bad > asked ? 'Problem' : 'Warning',
      `${count(bad)} of ${count(asked)} requests failed in the last minute`];
  }
  return waiting > 0 ? ['Warning', `${count(waiting)} requests wait for a connection`]
    : ['', asked > 0 ? 'healthy' : 'quiet'];
}

function originsOf({metrics}) {
  const asked = slots(metrics, 'origin_requests_total').filter(([name]) => name);
  return asked.map(([name, requests]) => {
    const sum = (family) => total(metrics, `origin_${family}`, is(name));
    const lately = (family) => traffic.growth(`origin_${family}`, is(name), MINUTE_S);
    const bad = lately('faults_total');
    const health = healthOf(Math.max(bad, lately('requests_total')), bad, sum('waiting'));
    const faults = sum('faults_total');
    return {name, health, cells: [
      [plain(name), health.filter(Boolean).join(': ')],
      perSecond(traffic.rate('origin_requests_total', is(name))),
      [count(bad), faults > 0 ? `${count(faults)} since start` : ''],
      ...['connections_active', 'connections_idle', 'waiting'].map((family) => count(sum(family))),
      percent(sum('connections_reused_total'), requests),
      ...['connections_raced_total', 'retries_total'].map((family) => count(sum(family))),
    ]};
  });
}

// What is not zero, since start and lately, the most first.
function showCounts(id, families, list, whole) {
  const rows = families.flatMap((family) => slots(traffic.last.metrics, family)
    .filter(([, value]) => value > 0).map(([name, value]) =>
      [value, wordsFor(list, name), traffic.growth(family, is(name), WINDOW_S)]));
  rows.sort(([a], [b]) => b - a);
  fill($(id), rows.map(([value, name, lately]) =>
    [name, [count(value), whole ? percent(value, whole) : ''], count(lately)]), (row, index) => {
    row.style.setProperty('--share', whole ? rows[index][0] / whole : 0);
  });
}

// ---- all of it ----------------------------------------------------------------------------------

function show(stats) {
  const origins = originsOf(stats);
  showState(stats);
  showNotices(noticesOf(stats, origins));
  showTraffic(stats);
  showVerdicts(stats);
  showPages();
  showCounts('outcomes', ['push_candidates_total'], 'outcomes',
    total(stats.metrics, 'push_candidates_total'));
  fill($('origins'), origins.map(({cells}) => cells), (row, index) => {
    row.className = origins[index].health[0].toLowerCase();
  });
  showCounts('limits', ['limit_hits_total'], 'limits');
  showCounts('faults', ['exchange_faults_total', 'connection_faults_total'], 'faults');
  const pages = count(total(stats.metrics, 'learned_pages'));
  say($('learned'), `${pages} pages are known by what visitors saw.`);
}

// ---- asking -------------------------------------------------------------------------------------

const polling = {timer: 0, isAsking: false, isPaused: false, failures: 0, answered: null};

async function ask() {
  const response = await fetch('stats.json',
    {cache: 'no-store', signal: AbortSignal.timeout(ANSWER_LIMIT_MS)});
  if (!response.ok) {
    throw new Error(`${response.status} ${(await response.text()).slice(0, 200)}`);
  }
  return response.json();
}

async function poll() {
  clearTimeout(polling.timer);
  if (polling.isAsking || polling.isPaused || document.hidden) {
    return;
  }
  polling.isAsking = true;
  try {
    const isSame = traffic.add(await ask(), performance.now() / 1000);
    show(traffic.last);
    polling.failures = 0;
    polling.answered = new Date();
    sayAge(isSame ? '' : ': it was restarted and counts anew');
  } catch (error) {
    polling.failures++;
    showSilence(error);
  }
  polling.isAsking = false;
  polling.timer = setTimeout(poll, Math.min(SLOWEST_MS, POLL_MS * 2 ** polling.failures));
}

function showSilence(error) {
  const since = polling.answered ? `since ${clock(polling.answered)}: the figures below are of then`
    : 'yet';
  say($('state'), 'no answer');
  $('state').className = 'pill problem';
  document.title = 'no answer · outrider';
  const why = error.name === 'TimeoutError' ? 'too slow' : plain(error.message.trim());
  showNotices([['Problem', `No answer ${since} (${why}). Asking again, less and less often.`]]);
}

function sayAge(remark = polling.isPaused ? ', paused' : '') {
  const {answered} = polling;
  say($('age'), (answered ? `Figures of ${clock(answered)}` : 'No figures yet') + remark);
}

function togglePause() {
  polling.isPaused = !polling.isPaused;
  say($('pause'), polling.isPaused ? 'Continue' : 'Pause');
  sayAge();
  poll();
}

// ---- commands -----------------------------------------------------------------------------------

const REFUSALS = {403: 'Refused', 409: 'Not done', 421: 'Refused'};

async function command(path) {
  const reply = (level, text) => {
    $('reply').className = level;
    say($('reply'), text);
  };
  reply('', 'Asking …');
  try {
    const response = await fetch(path,
      {method: 'POST', signal: AbortSignal.timeout(4 * ANSWER_LIMIT_MS)});
    const text = plain((await response.text()).trim().slice(0, 500));
    const prefix = response.ok ? 'Done' : REFUSALS[response.status] || 'Failed';
    reply(response.ok ? 'fine' : 'problem', `${prefix} (${response.status}): ${text}`);
  } catch (error) {
    reply('problem', `No answer: ${plain(error.message)}`);
  }
}

function confirmCommand({dataset, textContent}) {
  sayAll({'dialog-title': dataset.title, 'dialog-text': dataset.text, 'dialog-yes': textContent});
  $('dialog-yes').onclick = () => {
    $('dialog').close();
    command(dataset.command);
  };
  $('dialog').showModal(); // Escape closes it, and the focus comes back
}

// ---- start --------------------------------------------------------------------------------------

function onClick(selector, take) {
  document.querySelectorAll(selector).forEach((element) =>
    element.addEventListener('click', () => take(element)));
}

prepareHelp();
document.querySelectorAll('table').forEach(prepareTable);
document.querySelectorAll('article').forEach(prepareChart);
document.querySelectorAll('#facts div').forEach(prepareFact);
onClick('[data-sort] button', (button) => sortBy(button.parentElement.dataset.sort));
onClick('[data-command]', confirmCommand);
onClick('#dialog-no', () => $('dialog').close());
onClick('#pause', togglePause);
onClick('#pages-more', () => {
  isAllShown = !isAllShown;
  showPages();
});
document.addEventListener('visibilitychange', poll);
poll();
