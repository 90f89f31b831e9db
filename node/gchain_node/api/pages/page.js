"use strict";
// Keeps the parts marked data-live current: the server renders the page, this only swaps what changed after a block.
(() => {
  const button = document.getElementById("pause");
  const state = document.getElementById("connection");
  let paused = false, loading = false, again = false;

  function say(text, kind) {
    if (state.textContent !== text) { state.textContent = text; }
    state.className = "badge " + kind;
  }

  function swap(fresh) {
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next || next.innerHTML === part.innerHTML) { continue; }
      const focused = part.contains(document.activeElement) ? document.activeElement : null;
      const mark = focused && (focused.id ? "#" + CSS.escape(focused.id) : focused.hasAttribute("href") ? `a[href="${CSS.escape(focused.getAttribute("href"))}"]` : null);
      part.innerHTML = next.innerHTML;
      const target = mark && part.querySelector(mark);
      if (target) { target.focus({ preventScroll: true }); }
    }
  }

  async function load() {
    if (paused) { return; }
    if (loading) { again = true; return; }
    loading = true;
    try {
      const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
      if (answer.ok) { swap(new DOMParser().parseFromString(await answer.text(), "text/html")); }
    } catch (error) {
      say("Not connected", "warn");
    } finally {
      loading = false;
      if (again) { again = false; setTimeout(load, 500); }
    }
  }

  const events = new EventSource("/v1/events");
  events.addEventListener("open", () => { if (!paused) { say("Updating live", "good"); } });
  events.addEventListener("error", () => { if (!paused) { say("Not connected", "warn"); } });
  events.addEventListener("block", load);

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume updates" : "Pause updates";
    if (paused) { say("Paused", "warn"); } else { say("Updating live", "good"); load(); }
  });
})();
