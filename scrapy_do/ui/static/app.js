// The one script. It adds life to pages that are complete without it: theme, relative times, keys,
// and the line to the server over which a page hears that something has changed.
"use strict";

const root = document.documentElement;
const kept = {
  get(name) { try { return localStorage.getItem(`scrapy-do.${name}`); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(`scrapy-do.${name}`, value); } catch { /* private */ } },
};

// --- theme: before the first paint
const THEMES = { "": "as the system says", light: "light", dark: "dark" };
function applyTheme(theme) {
  if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
}
applyTheme(kept.get("theme") ?? "");

function beginTheme() {
  const button = document.getElementById("theme");
  const names = Object.keys(THEMES);
  const say = () => { button.setAttribute("aria-label", `Theme: ${THEMES[root.dataset.theme ?? ""]}`); };
  button.hidden = false;
  say();
  button.addEventListener("click", () => {
    const next = names[(names.indexOf(root.dataset.theme ?? "") + 1) % names.length];
    kept.set("theme", next);
    applyTheme(next);
    say();
    document.dispatchEvent(new Event("theme"));
  });
}

// --- times: relative, exact on hover and focus
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const STEPS = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [2592000, "day", 86400], [Infinity, "month", 2592000]];
const FORMS = ["relative", "local", "server", "UTC"];
function shownTime(node) {
  const instant = new Date(node.dateTime);
  const form = kept.get("times") ?? "relative";
  if (form === "UTC" || form === "server") return node.dataset.exact;
  if (form === "local") return instant.toLocaleString(undefined, { hour12: false });
  const seconds = (instant - Date.now()) / 1000;
  const [, unit, size] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
  return relative.format(Math.round(seconds / size), unit);
}
function showTimes() {
  for (const node of document.querySelectorAll("time[datetime]")) {
    if (!node.dataset.exact) { node.dataset.exact = node.textContent; node.title = node.textContent; node.tabIndex = 0; }
    const text = shownTime(node);
    if (node.textContent !== text) node.textContent = text;
  }
}

// --- keys: off while something is typed, and when switched off
const ROOMS = { o: "/ui/", j: "/ui/jobs", s: "/ui/schedules", p: "/ui/projects" };
function beginKeys() {
  const dialog = document.getElementById("keys");
  const help = document.getElementById("help");
  const on = document.getElementById("keys-on");
  on.checked = kept.get("keys") !== "off";
  on.addEventListener("change", () => kept.set("keys", on.checked ? "on" : "off"));
  help.hidden = false;
  help.addEventListener("click", () => dialog.showModal());
  let goes = false;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    if (!on.checked || typing || dialog.open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (goes && ROOMS[event.key]) { location.href = ROOMS[event.key]; return; }
    goes = event.key === "g";
    if (event.key === "/") { event.preventDefault(); document.getElementById("search").focus(); }
    if (event.key === "?") dialog.showModal();
    const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (target) { event.preventDefault(); target.click(); target.focus(); }
  });
}

// --- copying, also where there is no clipboard (plain HTTP)
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.dataset.copy;
  try { await navigator.clipboard.writeText(text); } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area); area.select(); document.execCommand("copy"); area.remove(); button.focus();
  }
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
});

// --- asking before what cannot be undone
document.addEventListener("submit", (event) => {
  const words = event.submitter?.dataset.ask ?? event.target.dataset.ask;
  if (words && !confirm(words)) event.preventDefault();
}, true);

document.addEventListener("DOMContentLoaded", () => {
  beginTheme();
  beginKeys();
  showTimes();
  setInterval(showTimes, 1000);
});
document.addEventListener("htmx:after:swap", showTimes);
