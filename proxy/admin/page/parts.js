// SPDX-License-Identifier: Apache-2.0
// What the page is made of: texts, tables, charts, notices. Whatever comes in is text and only ever
// becomes text.
'use strict';

const $ = (id) => document.getElementById(id);

// Only what has changed, so that what somebody has marked stays marked.
function say(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

// {id: text}
function sayAll(texts) {
  Object.entries(texts).forEach(([id, text]) => say($(id), text));
}

function make(name, text, className = '') {
  const element = document.createElement(name);
  element.textContent = text;
  element.className = className;
  return element;
}

// Where a figure will stand.
function place(id, name, className) {
  const element = make(name, UNKNOWN, className);
  element.id = id;
  return element;
}

function prepareFact(box) {
  const {id} = box.dataset;
  box.append(place(id, 'dd'), place(`${id}-note`, 'dd'));
}

// ---- tables -------------------------------------------------------------------------------------

// On a phone the rows of rich tables are shown as cards, which is no table to browsers: say so.
function setRoles(row, first, others) {
  row.setAttribute('role', 'row');
  [...row.cells].forEach((cell, column) =>
    cell.setAttribute('role', column === 0 ? first : others));
}

// A row is a list of cells, the first of which names it. A cell is a text, or [text, remark, help].
function fill(table, rows, setRow = () => {}) {
  const body = table.tBodies[0];
  while (body.rows.length > rows.length) {
    body.lastElementChild.remove();
  }
  rows.forEach((cells, index) => {
    const row = body.rows[index] || makeRow(table);
    cells.forEach((cell, column) => {
      const [text, remark = '', help = ''] = Array.isArray(cell) ? cell : [cell];
      const element = row.cells[column];
      say(element.firstChild, text);
      say(element.lastChild, remark);
      if (element.title !== help) {
        element.title = help;
      }
    });
    setRow(row, index);
  });
  table.hidden = rows.length === 0;
  $(`${table.id}-none`).hidden = rows.length > 0;
}

function makeRow(table) {
  const row = table.tBodies[0].insertRow();
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const cell = make(column === 0 ? 'th' : 'td', '');
    cell.append(make(column === 0 ? 'bdi' : 'span', ''), ' ', make('small', ''));
    cell.dataset.label = head.textContent;
    if (column === 0) {
      cell.scope = 'row';
    }
    row.append(cell);
  });
  if (table.className === 'rich') {
    setRoles(row, 'rowheader', 'cell');
  }
  return row;
}

function prepareTable(table) {
  const [row] = table.tHead.rows;
  const body = table.createTBody();
  table.setAttribute('aria-labelledby', `${table.id}-title`);
  for (const head of row.cells) {
    head.scope = 'col';
    if (head.dataset.sort) {
      head.replaceChildren(make('button', head.textContent));
    }
  }
  if (table.className === 'rich') {
    table.setAttribute('role', 'table');
    table.tHead.setAttribute('role', 'rowgroup');
    body.setAttribute('role', 'rowgroup');
    setRoles(row, 'columnheader', 'columnheader');
    table.parentElement.nextElementSibling.append(...[...row.cells].flatMap((head) =>
      [make('dt', head.textContent), make('dd', head.title)]));
  }
}

// ---- charts -------------------------------------------------------------------------------------

const SVG = 'http://www.w3.org/2000/svg';
const CHART_HEIGHT = 48;

function prepareChart(article) {
  const {id} = article.dataset;
  const svg = document.createElementNS(SVG, 'svg');
  const attributes = {viewBox: `0 0 ${WINDOW_S} ${CHART_HEIGHT}`, preserveAspectRatio: 'none',
    role: 'img', 'aria-label': 'No figures yet', id: `${id}-chart`};
  Object.entries(attributes).forEach(([name, value]) => svg.setAttribute(name, value));
  for (const name of ['area', 'line']) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('class', name);
    svg.append(path);
  }
  article.append(place(id, 'p', 'big'), svg, place(`${id}-note`, 'p', 'quiet'));
}

// A series is [age in seconds, value], the oldest first.
function draw(svg, series, format) {
  const peak = Math.max(0, ...series.map(([, value]) => value));
  const scale = peak > 0 ? (CHART_HEIGHT - 4) / peak : 0;
  const points = series.map(([age, value]) =>
    [WINDOW_S - age, CHART_HEIGHT - 2 - scale * value].map((at) => at.toFixed(1)));
  const line = points.length > 1 ? `M${points.join('L')}` : '';
  svg.lastChild.setAttribute('d', line);
  svg.firstChild.setAttribute('d',
    line && `${line}L${WINDOW_S} ${CHART_HEIGHT}L${points[0][0]} ${CHART_HEIGHT}Z`);
  svg.setAttribute('aria-label', series.length === 0 ? 'No figures yet' : `Over the last 5 minutes: ${
    ''}now ${format(series[series.length - 1][1])}, at most ${format(peak)}`);
}

// ---- notices ------------------------------------------------------------------------------------

let noticesShown = '';

// Each is [level, text].
function showNotices(notices) {
  const text = JSON.stringify(notices);
  if (text === noticesShown) {
    return; // a screen reader would say it again
  }
  noticesShown = text;
  $('attention').replaceChildren(...notices.map(([level, words]) => {
    const item = make('li', '', level.toLowerCase());
    item.append(make('b', level), ` ${words}`);
    return item;
  }));
  if (notices.length === 0) {
    $('attention').append(make('li', 'Nothing: all is well.', 'fine'));
  }
}

// ---- help ---------------------------------------------------------------------------------------

// What a pointer finds by waiting, others find by a button.
function prepareHelp() {
  document.querySelectorAll('dt[title], h3[title]').forEach((element) =>
    element.append(make('small', element.title, 'help')));
  $('explain').addEventListener('click', () => {
    const isExplained = document.body.classList.toggle('explained');
    $('explain').setAttribute('aria-pressed', isExplained);
  });
}
