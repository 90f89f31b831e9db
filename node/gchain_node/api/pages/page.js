"use strict";
// Keeps the parts marked data-live current: the server renders the page, this only swaps what changed after a block.
(() => {
  const GAP = 1000;      // milliseconds between two loads of the page
  const RETRY = 30000;   // until a stream that the node refused is asked for again
  const QUIET = 30000;   // between two sentences to a screen reader
  const button = document.getElementById("pause");
  const state = document.getElementById("connection");
  const news = document.getElementById("news");
  let paused = false, events = null, retry = 0;
  let loading = false, again = false;
  let unsaid = 0, quiet = false;

  function say(text, kind) {
    if (state.textContent !== text) { state.textContent = text; }
    state.className = "badge " + kind;
  }

  // Rows that stay are left in place: a reader's cursor, focus or selection in them is not lost.
  function swapRows(body, fresh) {
    const wanted = new Set([...fresh.rows].map((row) => row.outerHTML));
    for (const row of [...body.rows]) { if (!wanted.has(row.outerHTML)) { row.remove(); } }
    let place = body.rows[0] || null;
    for (const row of [...fresh.rows]) {
      if (place && place.outerHTML === row.outerHTML) { place = place.nextElementSibling; } else { body.insertBefore(row, place); }
    }
    while (place) { const next = place.nextElementSibling; place.remove(); place = next; }
  }

  function swap(fresh) {
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next || next.innerHTML === part.innerHTML) { continue; }
      const focused = part.contains(document.activeElement);
      const body = part.querySelector("tbody"), rows = next.querySelector("tbody");
      if (body && rows) { swapRows(body, rows); } else { part.innerHTML = next.innerHTML; }
      if (focused && !part.contains(document.activeElement)) { part.tabIndex = -1; part.focus({ preventScroll: true }); }
    }
  }

  // One sentence for all blocks since the last one, so that a busy ledger does not talk over what is being read.
  function tell() {
    if (quiet || !unsaid || paused) { return; }
    news.textContent = unsaid === 1 ? "1 new block" : unsaid + " new blocks";
    unsaid = 0;
    quiet = true;
    setTimeout(() => { quiet = false; tell(); }, QUIET);
  }

  async function load() {
    if (paused || document.hidden) { return; }
    if (loading) { again = true; return; }
    loading = true;
    try {
      const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
      const text = await answer.text();
      if (answer.ok && !paused) { swap(new DOMParser().parseFromString(text, "text/html")); }
    } catch (error) {
      say("Not connected", "warn");
    }
    setTimeout(() => { loading = false; if (again) { again = false; load(); } }, GAP);
  }

  function stop() {
    clearTimeout(retry);
    if (events) { events.close(); events = null; }
  }

  // A page that nobody looks at holds no stream: a node serves few of them, and a browser keeps few connections.
  function follow() {
    stop();
    if (paused || document.hidden) { return; }
    events = new EventSource("/v1/events");
    events.addEventListener("open", () => { say("Updating live", "good"); load(); });
    events.addEventListener("block", () => { unsaid += 1; tell(); load(); });
    events.addEventListener("error", () => {
      const refused = events.readyState === EventSource.CLOSED;
      say(refused ? "No live updates" : "Not connected", "warn");
      if (refused) { retry = setTimeout(follow, RETRY); }
    });
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume updates" : "Pause updates";
    if (paused) { say("Paused", "warn"); }
    follow();
  });
  document.addEventListener("visibilitychange", follow);
  follow();
})();
