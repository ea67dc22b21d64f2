// Lets the lamps of the light list flash as they do at sea.
import { tideAt } from "/tide.js";

const rows = [...document.querySelectorAll("tr[data-period]")];

function isLit(row, seconds) {
  const period = Number(row.dataset.period);
  const flashes = Number(row.dataset.flashes);
  const phase = seconds % period;
  return Math.floor(phase / 1.2) < flashes && phase % 1.2 < 0.5;
}

function turn() {
  const seconds = performance.now() / 1000;
  for (const row of rows) {
    row.classList.toggle("lit", isLit(row, seconds));
  }
  requestAnimationFrame(turn);
}

function showTide() {
  const { height, isRising } = tideAt(new Date());
  const way = isRising ? "rising" : "falling";
  document.querySelector(".tide output").textContent = `${height.toFixed(2)} m and ${way}`;
}

turn();
showTide();
setInterval(showTide, 10000);
