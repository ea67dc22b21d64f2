// SPDX-License-Identifier: Apache-2.0
// What counters say over time: the samples of the last five minutes, and rates, sums and quantiles
// of what happened between two of them. Nothing here touches the page.
'use strict';

const WINDOW_S = 300;
const NOW_S = 10;     // what "now" is for rates
const MINUTE_S = 60;

function number(value) {
  return Number.isFinite(value) ? value : 0;
}

// The slots of a family with labels as [name, value]; those of others as one.
function slots(metrics, family) {
  const value = metrics[family];
  return typeof value === 'object' && value !== null
    ? Object.entries(value).map(([name, slot]) => [name, number(slot)]) : [['', number(value)]];
}

// The sum of all slots, or of those whose name passes.
function total(metrics, family, test = () => true) {
  return slots(metrics, family).reduce((sum, [name, value]) => sum + (test(name) ? value : 0), 0);
}

function histogram(metrics, family) {
  const value = metrics[family] || {};
  return {buckets: (value.buckets || []).map(number), count: number(value.count),
    sum: number(value.sum)};
}

// The value below which this share of a histogram's entries lies, taking those of one bucket as
// evenly spread; null when there are none, Infinity beyond the last bound.
function quantile(buckets, bounds, share) {
  const entries = buckets.reduce((sum, bucket) => sum + bucket, 0);
  if (entries === 0) {
    return null;
  }
  let left = share * entries;
  const at = buckets.findIndex((bucket) => bucket > 0 && (left -= bucket) <= 0);
  if (at < 0 || at >= bounds.length) {
    return Infinity;
  }
  const low = at > 0 ? bounds[at - 1] : 0;
  return bounds[at] + (bounds[at] - low) * left / buckets[at];
}

class History {
  constructor() {
    this.samples = []; // {at, metrics}, the oldest first; `at` in seconds of the page's own clock
    this.last = null;  // the newest answer
  }

  // False when the process is another one, or counts from zero again: then what was before is gone.
  add(stats, at) {
    const before = this.last;
    const isSame = before === null ||
      (before.started_s === stats.started_s && !(stats.uptime_s < before.uptime_s));
    if (!isSame) {
      this.samples = [];
    }
    this.last = stats;
    this.samples = this.samples.filter((sample) => sample.at >= at - WINDOW_S - MINUTE_S);
    this.samples.push({at, metrics: stats.metrics || {}});
    return isSame;
  }

  // The newest sample and the one so many seconds before it, or the oldest.
  pair(length, end = this.samples.length - 1) {
    const now = this.samples[end];
    let start = end;
    while (start > 0 && now.at - this.samples[start].at < length) {
      start--;
    }
    return [this.samples[start], now];
  }

  // Growth of a family over so many seconds. A counter that goes backwards has not grown.
  growth(family, test, length, end) {
    const [then, now] = this.pair(length, end);
    const before = new Map(slots(then.metrics, family));
    return slots(now.metrics, family).reduce((sum, [name, value]) => sum +
      (!test || test(name) ? Math.max(0, value - number(before.get(name))) : 0), 0);
  }

  // Growth in a second; null while there is one sample only.
  rate(family, test, length = NOW_S, end) {
    const [then, now] = this.pair(length, end);
    return now.at > then.at ? this.growth(family, test, length, end) / (now.at - then.at) : null;
  }

  // The entries of a histogram over so many seconds.
  entries(family, length, end) {
    const [then, now] = this.pair(length, end);
    const before = histogram(then.metrics, family).buckets;
    return histogram(now.metrics, family).buckets
      .map((bucket, index) => Math.max(0, bucket - number(before[index])));
  }

  // [age in seconds, value] of a figure for each sample of the last five minutes.
  series(figure) {
    const newest = this.samples[this.samples.length - 1].at;
    return this.samples.map((sample, index) => [newest - sample.at, figure(index)])
      .filter(([age, value]) => age <= WINDOW_S && value !== null);
  }
}
