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

// --- the level of log lines that somebody has chosen last: before the page is read
function levelAddress() {
  const level = kept.get("level") ?? "0";
  const isJob = /^\/ui\/jobs\/[0-9a-f-]{36}$/.test(location.pathname);
  return isJob && level !== "0" && !location.search && !location.hash ? `?level=${encodeURIComponent(level)}` : "";
}
if (levelAddress()) location.replace(levelAddress());

function beginLevel() {
  const choice = document.getElementById("level");
  choice?.form.addEventListener("submit", () => kept.set("level", choice.value));
  for (const link of document.querySelectorAll("[data-clear-level]")) link.addEventListener("click", () => kept.set("level", "0"));
}

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
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const STEPS = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [2592000, "day", 86400], [Infinity, "month", 2592000]];
function inZone(instant, timeZone) {
  const options = { dateStyle: "short", timeStyle: "medium" };
  try { return new Intl.DateTimeFormat("sv-SE", { ...options, timeZone }).format(instant); } catch { return ""; }
}
function shownTime(node) {
  const instant = new Date(node.dateTime);
  const form = kept.get("times") ?? document.body.dataset.times;
  const zone = document.body.dataset.zone;
  if (form === "UTC") return `${inZone(instant, "UTC")} UTC`;
  if (form === "server") return inZone(instant, zone) || node.dataset.exact;
  if (form === "local") return inZone(instant);
  const seconds = (instant - Date.now()) / 1000;
  const [, unit, size] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
  return relative.format(Math.round(seconds / size), unit).replace(".", "");
}
function showTimes() {
  for (const node of document.querySelectorAll("time[datetime]:not([data-fixed])")) {
    if (!node.dataset.exact) { node.dataset.exact = node.textContent; node.title = node.textContent; node.tabIndex = 0; }
    const text = shownTime(node);
    if (node.textContent !== text) node.textContent = text;
  }
}
function beginTimes() {
  const choice = document.getElementById("times");
  const clock = document.getElementById("server-time");
  choice.value = kept.get("times") ?? document.body.dataset.times;
  choice.parentElement.hidden = false;
  choice.addEventListener("change", () => { kept.set("times", choice.value); showTimes(); });
  const ahead = new Date(clock.dateTime) - Date.now();
  const tick = () => {
    clock.textContent = inZone(new Date(Date.now() + ahead), document.body.dataset.zone) || clock.textContent;
    showTimes();
  };
  tick();
  setInterval(tick, 1000);
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
    if (!keysWork(event)) return;
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

// --- live: one line to the server per page, closed while nobody looks
const RETRY_S = 3;
class Feed {
  constructor(address, handlers) {
    this.address = address;
    this.handlers = handlers;
    this.isOver = false;
    this.dot = document.getElementById("connection");
    this.dot.hidden = false;
    document.addEventListener("visibilitychange", () => this.look());
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => { if (event.persisted) this.look(); });
    this.look();
  }
  look() {
    if (this.isOver) return;
    if (document.hidden) { this.close(); this.say("paused", "Paused"); } else if (!this.source) this.open();
  }
  open() {
    clearTimeout(this.timer);
    this.source = new EventSource(this.address());
    this.source.onopen = () => this.say("live", "Live");
    this.source.onerror = () => { this.close(); this.retry(RETRY_S); };
    for (const [name, handle] of Object.entries(this.handlers)) {
      this.source.addEventListener(name, (event) => handle(JSON.parse(event.data), event.lastEventId));
    }
  }
  retry(seconds) {
    if (document.hidden || this.isOver) return;
    this.say("lost", `Reconnecting in ${seconds} s`);
    this.timer = setTimeout(() => (seconds > 1 ? this.retry(seconds - 1) : this.open()), 1000);
  }
  close() { clearTimeout(this.timer); this.source?.close(); this.source = null; }
  end() { this.isOver = true; this.close(); this.dot.hidden = true; }
  say(state, word) {
    this.dot.dataset.live = state;
    document.getElementById("lost").hidden = state !== "lost";
    const node = this.dot.querySelector(".word");
    if (node.textContent !== word) node.textContent = word;
  }
}

// What the server shows now, put into the page without disturbing who reads or types.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || (old.id ?? "") !== (fresh.id ?? "")) { old.replaceWith(fresh); return; }
  if (old.nodeType !== Node.ELEMENT_NODE) { if (old.data !== fresh.data) old.data = fresh.data; return; }
  if (old.nodeName === "TIME" && old.dateTime === fresh.dateTime) return;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (["INPUT", "SELECT", "TEXTAREA"].includes(old.nodeName)) return;
  const known = new Map([...old.children].filter((one) => one.id).map((one) => [one.id, one]));
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = child.id && known.get(child.id);
    if (same && same !== place) old.insertBefore(same, place);
    else if (!place) { old.append(child); continue; }
    const here = same || place;
    const next = here.nextSibling;
    if (!same && place.id && !child.id) { old.insertBefore(child, place); continue; }
    if (!same && child.id && place.id) { old.insertBefore(child, place); continue; }
    morph(here, child);
    place = next;
  }
  while (place) { const next = place.nextSibling; place.remove(); place = next; }
}
async function refresh(selector) {
  const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement;
  for (const old of document.querySelectorAll(selector)) {
    const fresh = old.id ? page.getElementById(old.id) : page.querySelector(selector);
    if (fresh) morph(old, document.adoptNode(fresh));
  }
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
  showTimes();
  document.dispatchEvent(new Event("refreshed"));
}
const REFRESH_MS = 1000;
let refreshing = null;
function refreshSoon(selector) {
  refreshing ??= setTimeout(async () => {
    try { await refresh(selector); } catch { /* the line to the server says so */ }
    refreshing = null;
  }, REFRESH_MS);
}
function beginLists() {
  const names = document.body.dataset.liveEvents.split(" ").filter(Boolean);
  if (!names.length) return;
  const query = names.map((name) => `of=${name}`).join("&");
  const again = () => refreshSoon("main");
  let isFirst = true;
  const ready = () => { if (!isFirst) again(); isFirst = false; };
  new Feed(() => `/ui/events?${query}`, { ready, resync: again, ...Object.fromEntries(names.map((name) => [name, again])) });
}

// --- the log of a job
const MOST_LINES = 4000;
const LEVELS = { 10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL" };
const FOLDED_AFTER = 6;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
function make(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}
function coloured(parent, text) {
  let colour = "", bold = "";
  const parts = text.split(/\x1b\[([0-9;]{0,40})m/);
  parts.forEach((part, place) => {
    if (place % 2 === 0) {
      const plain = part.replace(/\x1b\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]?|[\x00-\x08\x0b-\x1f\x7f]/g, "");
      if (plain) parent.append(colour || bold ? make("span", `${colour} ${bold}`.trim(), plain) : plain);
      return;
    }
    for (const code of part.split(";").map(Number)) {
      if (code === 0) colour = bold = "";
      else if (code === 1) bold = "ansi-bold";
      else if (code === 22) bold = "";
      else if (code === 39) colour = "";
      else if (code >= 30 && code <= 37) colour = `ansi-${COLOURS[code - 30]}`;
      else if (code >= 90 && code <= 97) colour = `ansi-${COLOURS[code - 90]}`;
    }
  });
}
function lineOf(told) {
  const kind = told.level >= 40 ? " bad" : told.level >= 30 ? " warn" : "";
  const node = make("div", `line${kind}`);
  node.id = `L${told.n}`;
  const number = make("a", "no", told.n);
  number.href = `#L${told.n}`;
  const at = new Date(told.time).toISOString();
  const when = make("span", "at", at.slice(11, 19));
  when.title = at;
  const message = make("span", "ms");
  const lines = told.message.replace(/\n+$/, "").split("\n");
  const isLong = lines.length > FOLDED_AFTER + 1;
  coloured(message, (isLong ? lines.slice(0, FOLDED_AFTER) : lines).join("\n"));
  if (isLong) {
    const rest = make("details");
    rest.append(make("summary", "", `${lines.length - FOLDED_AFTER} more lines`));
    coloured(rest, lines.slice(FOLDED_AFTER).join("\n"));
    message.append(rest);
  }
  node.append(number, when, make("span", "lv", LEVELS[told.level] ?? told.level), make("span", "lg", told.logger), message);
  return node;
}
const grouped = (number) => number.toLocaleString("en").replaceAll(",", "\u202f");
function beginLog() {
  const log = document.getElementById("log");
  if (!log) return;
  const follow = document.getElementById("follow");
  const status = document.getElementById("log-status");
  const isLive = Boolean(log.dataset.events);
  const count = document.getElementById("log-count");
  const isWhole = !location.search;
  let unseen = 0;
  const toEnd = () => { log.scrollTop = log.scrollHeight; unseen = 0; jump.hidden = true; };
  const jump = make("button", "jump");
  jump.type = "button";
  jump.hidden = true;
  jump.addEventListener("click", () => { follow.checked = true; toEnd(); });
  log.after(jump);
  showMarked(log);
  if (!location.hash && !location.search.includes("after=") && !location.search.includes("around=")) toEnd();
  beginErrors(log);
  beginOlder(log);
  if (!isLive) return;
  follow.closest("label").hidden = false;
  follow.addEventListener("change", () => { if (follow.checked) toEnd(); });
  let wasAt = log.scrollTop;
  log.addEventListener("scroll", () => {
    if (log.scrollTop < wasAt - 4) follow.checked = false;
    if (log.scrollHeight - log.scrollTop - log.clientHeight < 8 && !follow.checked && unseen) { follow.checked = true; toEnd(); }
    wasAt = log.scrollTop;
  });
  const address = new URL(log.dataset.events, location.href);
  const add = (nodes) => {
    document.getElementById("log-empty")?.remove();
    log.append(...nodes);
    if (follow.checked) {
      for (let extra = log.childElementCount - MOST_LINES; extra > 0; extra -= 1) log.firstElementChild.remove();
      toEnd();
    } else {
      for (let extra = log.childElementCount - MOST_LINES; extra > 0; extra -= 1) log.lastElementChild.remove();
      unseen += nodes.length;
      jump.hidden = false;
      jump.textContent = `Jump to newest (${grouped(unseen)})`;
    }
  };
  let most = 0;
  const say = (lines) => {
    most = Math.max(most, lines);
    count.textContent = `${grouped(most)} ${most === 1 ? "line" : "lines"}`;
  };
  const seen = (id) => { if (id) address.searchParams.set("after", id); };
  const feed = new Feed(() => address.pathname + address.search, {
    log: (lines, id) => { seen(id); add(lines.map(lineOf)); if (isWhole) say(lines.at(-1).n); },
    skipped: ({ lines, before }, id) => {
      seen(id);
      const gap = make("div", "line gap", `${grouped(lines)} lines not shown live `);
      const link = make("a", "", "show");
      link.href = `?around=${before}#L${before}`;
      gap.append(link);
      add([gap]);
    },
    resync: (_told, id) => { seen(id); most = 0; log.replaceChildren(); },
    stats: (stats) => {
      for (const [name, value] of Object.entries(stats)) {
        const text = grouped(value);
        if (name === "log_lines" && isWhole) say(value);
        for (const node of document.querySelectorAll(`[data-figure="${CSS.escape(name)}"]`)) {
          node.textContent = text;
          node.classList.toggle("wrong", name === "errors" && value > 0);
        }
      }
      document.dispatchEvent(new Event("progress"));
    },
    state: () => refresh("#job-head, #how").catch(() => {}),
    end: (told) => {
      feed.end();
      document.dispatchEvent(new Event("ended"));
      follow.closest("label").hidden = true;
      const errors = document.querySelector('[data-figure="errors"]')?.textContent ?? "0";
      status.textContent = `The job is ${told.state}, errors: ${errors}.`;
    },
  });
}
function showMarked(log) {
  const found = /^#L(\d+)(?:-L(\d+))?$/.exec(location.hash);
  if (!found) return;
  const [first, last] = [Number(found[1]), Number(found[2] ?? found[1])];
  if (!document.getElementById(`L${first}`)) {
    if (!location.search.includes("around=")) location.replace(`?around=${first}${location.hash}`);
    return;
  }
  for (const line of log.querySelectorAll(".line.marked")) line.classList.remove("marked");
  for (let number = first; number <= last && number < first + 5000; number += 1) document.getElementById(`L${number}`)?.classList.add("marked");
  document.getElementById(`L${first}`).scrollIntoView({ block: "center" });
}
function beginErrors(log) {
  let from = null;
  log.addEventListener("click", (event) => {
    const number = event.target.closest("a.no");
    if (!number) return;
    if (event.shiftKey && from) {
      event.preventDefault();
      const [first, last] = [from, Number(number.textContent)].sort((a, b) => a - b);
      history.replaceState(null, "", `#L${first}-L${last}`);
      showMarked(log);
    } else from = Number(number.textContent);
  });
  addEventListener("hashchange", () => showMarked(log));
  let place = -1;
  document.addEventListener("keydown", (event) => {
    if (event.key !== "n" && event.key !== "p") return;
    if (!keysWork(event)) return;
    const errors = [...log.querySelectorAll(".line.bad")];
    if (!errors.length) return;
    const follow = document.getElementById("follow");
    if (follow) follow.checked = false;
    place = event.key === "n" ? (place + 1) % errors.length : (place <= 0 ? errors.length : place) - 1;
    history.replaceState(null, "", `#${errors[place].id}`);
    showMarked(log);
  });
}
function beginOlder(log) {
  let isLoading = false;
  log.addEventListener("scroll", async () => {
    const link = document.querySelector('.log-sheet a[rel="prev"]');
    if (isLoading || log.scrollTop > 80 || !link) return;
    isLoading = true;
    try {
      const page = new DOMParser().parseFromString(await (await fetch(link.href)).text(), "text/html");
      const lines = [...page.querySelectorAll("#log > .line")].map((line) => document.adoptNode(line));
      const height = log.scrollHeight;
      log.prepend(...lines);
      log.scrollTop += log.scrollHeight - height;
      const next = page.querySelector('.log-sheet a[rel="prev"]');
      if (next) link.href = next.href; else { link.previousElementSibling?.remove(); link.remove(); }
    } catch { /* the next scroll tries again */ }
    isLoading = false;
  });
}

// --- charts: the table beside them says the same
const REDRAWN_MS = 5000;
function beginCharts() {
  const place = document.getElementById("pace");
  if (!place || !window.uPlot) return;
  const plots = new Map();
  let points = null;
  const values = (line) => {
    const length = line.values.length;
    const none = () => new Array(length).fill(null);
    const times = line.values.map((_value, step) => points.start + step * points.step);
    return [times, line.low ?? none(), line.high ?? none(), line.values];
  };
  const read = (box) => { points = box && JSON.parse(box.dataset.points); };
  const plot = (box) => {
    const style = getComputedStyle(root);
    const [ink, grid, stroke, band] = ["--soft", "--line", "--run", "--band"].map((name) => colour(style.getPropertyValue(name)));
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const clock = (_plot, splits) => splits.map((one) => new Date(one * 1000).toISOString().slice(11, points.step < 60 ? 19 : 16));
    const edge = { width: 0, points: { show: false } };
    return new uPlot({
      width: box.clientWidth, height: 140, legend: { show: false }, cursor: { sync: { key: "pace" } }, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      series: [{}, edge, edge, { label: box.dataset.line, stroke, width: 2 }], bands: [{ series: [2, 1], fill: band }],
      axes: [{ ...axis, values: clock, space: 80, size: 28 }, { ...axis, size: 48 }],
      scales: { y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] } },
    }, values(points.lines[box.dataset.line]), box);
  };
  const draw = () => {
    for (const one of plots.values()) one.destroy();
    plots.clear();
    if (points) for (const box of place.querySelectorAll(".chart")) plots.set(box.dataset.line, plot(box));
  };
  const take = (fresh) => {
    for (const id of ["took", "figures"]) morph(document.getElementById(id), fresh.getElementById(id));
    const box = fresh.getElementById("charts");
    if (!box) return;
    read(box);
    const same = Object.keys(points.lines).join() === [...plots.keys()].join();
    for (const id of ["band", "charts-table"]) if (same) morph(document.getElementById(id), fresh.getElementById(id));
    if (same) {
      for (const [name, one] of plots) {
        one.setData(values(points.lines[name]));
        morph(document.getElementById(`caption-${name}`), fresh.getElementById(`caption-${name}`));
      }
    } else {
      place.replaceChildren(...fresh.getElementById("pace").childNodes);
      document.getElementById("pace-sheet").hidden = false;
      draw();
    }
    showTimes();
  };
  let isAsking = false, askedAt = 0;
  const ask = async () => {
    const every = Math.max(REDRAWN_MS, (points?.step ?? 0) * 500);
    if (isAsking || document.hidden || Date.now() - askedAt < every) return;
    isAsking = true;
    askedAt = Date.now();
    try {
      const answer = await fetch(place.dataset.address);
      if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the line to the server says so */ }
    isAsking = false;
  };
  read(document.getElementById("charts"));
  draw();
  ask();
  document.addEventListener("progress", ask);
  document.addEventListener("ended", () => { askedAt = 0; ask(); });
  document.addEventListener("theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; draw(); } });
}
function colour(token) {
  const probe = make("span");
  probe.style.color = token;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// --- the form of a page is sent from anywhere
document.addEventListener("keydown", (event) => {
  const button = document.querySelector("button[data-submit]");
  if (event.key === "Enter" && event.ctrlKey && button) { event.preventDefault(); button.form.requestSubmit(button); }
});

// --- selected rows: what can be done to them appears when there are some
function beginSelection() {
  const form = document.getElementById("selected");
  if (!form) return;
  const say = () => {
    const now = document.getElementById("selected");
    if (!now) return;
    const count = document.querySelectorAll("td.pick input:checked").length;
    now.hidden = !count;
    now.classList.add("some");
    const text = `${count} selected:`;
    const node = document.getElementById("selected-count");
    if (node.textContent !== text) node.textContent = text;
  };
  document.addEventListener("change", (event) => { if (event.target.closest("td.pick")) say(); });
  document.addEventListener("refreshed", say);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "x" || !keysWork(event)) return;
    document.activeElement.closest("tr")?.querySelector("td.pick input")?.click();
  });
  say();
}

// --- rows by keys
function keysWork(event) {
  const typing = event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]");
  return document.getElementById("keys-on").checked && !typing && !document.getElementById("keys").open && !event.ctrlKey && !event.metaKey && !event.altKey;
}
document.addEventListener("keydown", (event) => {
  if ((event.key !== "j" && event.key !== "k") || !keysWork(event)) return;
  const links = [...document.querySelectorAll("#jobs tbody th a")];
  const here = links.indexOf(document.activeElement.closest("#jobs tr")?.querySelector("th a"));
  const next = links[event.key === "j" ? here + 1 : Math.max(0, here - 1)];
  if (next) { event.preventDefault(); next.focus(); }
});

// --- the form of a schedule: what it means, while somebody types
function beginScheduleForm() {
  const form = document.getElementById("schedule-form");
  if (!form) return;
  const [text, zone, preview] = ["when", "timezone", "preview"].map((id) => document.getElementById(id));
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  let timer, asked, unwritten = "";
  const shownIn = (timeZone) => {
    try { return new Date().toLocaleString("en-GB", { timeZone }); } catch { return ""; }
  };
  const sayZone = () => {
    const note = document.getElementById("browser-zone");
    if (!note || shownIn(own) === shownIn(zone.value)) return;
    note.textContent = `This browser is in ${own}; the schedule counts in ${zone.value}.`;
    note.hidden = false;
  };
  const ask = async () => {
    const tab = unwritten;
    clearTimeout(timer);
    asked?.abort();
    asked = new AbortController();
    const query = new URLSearchParams(new FormData(form));
    if (tab) query.set("write", tab);
    if (form.dataset.schedule) query.set("schedule", form.dataset.schedule);
    try {
      const answer = await fetch(`/ui/schedules/preview?${query}`, { signal: asked.signal });
      if (!answer.ok) return;
      preview.innerHTML = await answer.text();
    } catch { return; }
    const meaning = preview.firstElementChild;
    if ("written" in meaning.dataset) text.value = meaning.dataset.when;
    if (unwritten === tab) unwritten = "";
    text.setAttribute("aria-invalid", String(Boolean(document.getElementById("when-error"))));
    zone.setAttribute("aria-invalid", String(Boolean(document.getElementById("timezone-error"))));
    sayZone();
  };
  for (const button of form.querySelectorAll(".pane button:not([value=line])")) button.hidden = true;
  document.getElementById("preview-button").hidden = true;
  form.addEventListener("input", (event) => {
    const tab = event.target.closest(".pane")?.dataset.tab;
    if (event.target.id === "line" || !(tab || event.target === text || event.target === zone)) return;
    clearTimeout(timer);
    if (tab || event.target === text) unwritten = tab ?? "";
    timer = setTimeout(ask, 200);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.ctrlKey && event.target.closest(".pane, #when, #timezone") && event.target.tagName === "INPUT") {
      event.preventDefault();
      if (event.target.id === "line") form.requestSubmit(form.querySelector("button[value=line]"));
      else ask();
    }
  });
  sayZone();
}

document.addEventListener("DOMContentLoaded", () => {
  beginTheme();
  beginKeys();
  beginScheduleForm();
  beginTimes();
  beginLists();
  beginLog();
  beginCharts();
  beginSelection();
  beginLevel();
});
document.addEventListener("htmx:after:swap", showTimes);

// --- push: look into the archive before it is sent, then say how far it is
async function archiveNames(file) {
  const tail = new DataView(await file.slice(-65557).arrayBuffer());
  for (let at = tail.byteLength - 22; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) !== 0x06054b50) continue;
    const size = tail.getUint32(at + 12, true);
    const from = tail.getUint32(at + 16, true);
    const list = new DataView(await file.slice(from, from + Math.min(size, 4194304)).arrayBuffer());
    const names = [];
    for (let place = 0; place + 46 <= list.byteLength && list.getUint32(place, true) === 0x02014b50;) {
      const length = Math.min(list.getUint16(place + 28, true), list.byteLength - place - 46);
      names.push(new TextDecoder().decode(new Uint8Array(list.buffer, place + 46, length)));
      place += 46 + length + list.getUint16(place + 30, true) + list.getUint16(place + 32, true);
    }
    return names;
  }
  return null;
}
async function archiveTrouble(file, limit) {
  if (file.size > limit) return `It has ${file.size} bytes; the server takes ${limit} at most`;
  const names = await archiveNames(file);
  if (!names) return "This is no zip archive";
  const isProject = names.some((name) => /^([^/]+\/)?scrapy\.cfg$/.test(name) || name === "EGG-INFO/PKG-INFO");
  return isProject ? "" : "No scrapy.cfg at the top or one level down. You probably zipped the wrong folder";
}
// A folder is packed here, where it is small: an archive of files as they are.
const MOST_FOLDER_BYTES = 20e6;
const LEFT_OUT = /(^|\/)(\.git|\.hg|\.scrapy|\.venv|venv|node_modules|__pycache__)\/|\.pyc$/;
const CRCS = Array.from({ length: 256 }, (_none, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
function record(signature, shorts, name = "") {
  const text = new TextEncoder().encode(name);
  const view = new DataView(new ArrayBuffer(4 + shorts.reduce((size, [bytes]) => size + bytes, 0)));
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [bytes, value] of shorts) {
    if (bytes === 2) view.setUint16(at, value, true); else view.setUint32(at, value, true);
    at += bytes;
  }
  return [view.buffer, text];
}
async function packed(name, files) {
  const parts = [], list = [];
  let at = 0;
  for (const [path, file] of files) {
    const content = new Uint8Array(await file.arrayBuffer());
    let crc = -1;
    for (const byte of content) crc = CRCS[(crc ^ byte) & 255] ^ (crc >>> 8);
    const length = new TextEncoder().encode(path).length;
    const facts = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 33], [4, ~crc >>> 0], [4, content.length], [4, content.length], [2, length], [2, 0]];
    parts.push(...record(0x04034b50, facts, path), content);
    list.push(...record(0x02014b50, [[2, 20], ...facts, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]], path));
    at += 30 + length + content.length;
  }
  const size = list.reduce((sum, part) => sum + part.byteLength, 0);
  const [end] = record(0x06054b50, [[2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, at], [2, 0]]);
  return new File([...parts, ...list, end], `${name}.zip`, { type: "application/zip" });
}
async function filesOf(entry, path = "") {
  if (entry.isFile) return [[path + entry.name, await new Promise((done, fail) => entry.file(done, fail))]];
  if (path && LEFT_OUT.test(`${path}${entry.name}/`)) return [];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return found.flat();
    for (const one of some) found.push(await filesOf(one, `${path}${entry.name}/`));
  }
}
function beginPush() {
  const form = document.getElementById("push");
  if (!form) return;
  const input = form.querySelector("#archive");
  const area = form.querySelector(".drop");
  const says = form.querySelector("#archive-says");
  const shown = form.querySelector("#push-progress");
  const bar = shown.querySelector("progress");
  const word = shown.querySelector(".word");
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    const trouble = await archiveTrouble(file, Number(form.dataset.limit));
    says.hidden = false;
    says.className = `banner${trouble ? "" : " good"}`;
    says.textContent = trouble ? `${trouble}. You can push it all the same.` : `${file.name}: scrapy.cfg is there.`;
  });
  const take = async (all) => {
    const files = all.filter(([path]) => !LEFT_OUT.test(path)).map(([path, file]) => [path.slice(path.indexOf("/") + 1), file]);
    const size = files.reduce((sum, [, file]) => sum + file.size, 0);
    if (size > MOST_FOLDER_BYTES || files.length > 5000) {
      says.hidden = false;
      says.className = "banner";
      says.textContent = "This folder is too large to be packed here. In it, scrapy-do push does it.";
      return;
    }
    const carrier = new DataTransfer();
    carrier.items.add(await packed(all[0][0].split("/")[0], files));
    input.files = carrier.files;
    input.dispatchEvent(new Event("change"));
  };
  const folder = form.querySelector("#folder");
  form.querySelector("#folder-place").hidden = !("webkitdirectory" in folder);
  form.querySelector("#folder-button").addEventListener("click", () => folder.click());
  folder.addEventListener("change", () => { if (folder.files.length) take([...folder.files].map((file) => [file.webkitRelativePath, file])); });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    area.addEventListener(kind, (event) => {
      event.preventDefault();
      area.classList.toggle("over", kind === "dragover");
      if (kind !== "drop" || !event.dataTransfer.files.length) return;
      const entry = event.dataTransfer.items[0].webkitGetAsEntry?.();
      if (entry?.isDirectory) { filesOf(entry).then(take); return; }
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change"));
    });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("button.main");
    const request = new XMLHttpRequest();
    const since = Date.now();
    const seconds = () => Math.max(1, Math.round((Date.now() - since) / 1000));
    const fail = (text) => { clearInterval(clock); word.textContent = text; button.disabled = false; };
    const place = form.querySelector("#push-steps-place");
    const clock = setInterval(async () => {
      if (bar.value < 1) return;
      word.textContent = `Sent, ${seconds()} s. The server:`;
      try {
        const answer = await fetch(`/ui/pushes/${form.elements.report.value}`);
        const steps = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("push-steps");
        if (steps && place.firstElementChild) morph(place.firstElementChild, steps); else if (steps) place.append(steps);
      } catch { /* the answer to the push says it */ }
    }, 500);
    shown.hidden = false;
    button.disabled = true;
    request.upload.addEventListener("progress", (sent) => {
      bar.value = sent.loaded / sent.total;
      if (bar.value < 1) word.textContent = `${Math.round(bar.value * 100)} %, ${Math.round(sent.loaded / 1024 / seconds())} KiB/s`;
    });
    request.addEventListener("error", () => fail("The connection was closed. Is the archive too large, or the server gone?"));
    request.addEventListener("load", () => {
      if (new URL(request.responseURL).pathname.startsWith("/ui/pushes/")) { location.assign(request.responseURL); return; }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      fail(page.querySelector(".banner.bad")?.textContent ?? `The server answered with ${request.status}`);
    });
    request.open("POST", form.action);
    request.send(new FormData(form));
  });
}
document.addEventListener("DOMContentLoaded", beginPush);
