// A tide of two waves: the moon's and the sun's. Good enough for a harbour that does not exist.
const MOON_HOURS = 12.4206;
const SUN_HOURS = 12;
const MEAN_M = 2.1;

function wave(hours, period, metres) {
  return metres * Math.cos((2 * Math.PI * hours) / period);
}

function heightAt(time) {
  const hours = time / 3600000;
  return MEAN_M + wave(hours, MOON_HOURS, 1.4) + wave(hours, SUN_HOURS, 0.5);
}

export function tideAt(date) {
  const now = heightAt(date.getTime());
  const soon = heightAt(date.getTime() + 60000);
  return { height: now, isRising: soon > now };
}
