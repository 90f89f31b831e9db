// What a page is measured by, in the page itself: an expression whose value is an object of functions.
({
  // Red, green, blue (0 to 255) and opacity of a computed colour.
  _colour(text) {
    const parts = text.match(/[\d.]+/g).map(Number);
    if (!text.startsWith("rgb")) { throw new Error("expected rgb(), got " + text); }
    return parts.length > 3 ? parts : [...parts, 1];
  },

  _over(top, under) {
    return [...[0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])), 1];
  },

  // The colour behind an element's text: its own background over those of what it stands in.
  _ground(element) {
    const layers = [];
    for (let at = element; at; at = at.parentElement) { layers.push(this._colour(getComputedStyle(at).backgroundColor)); }
    return layers.reduceRight((under, top) => this._over(top, under), [255, 255, 255, 1]);
  },

  // Contrast ratio, WCAG 2.2.
  _ratio(one, other) {
    const [low, high] = [one, other].map((colour) => {
      const [r, g, b] = colour.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    }).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  },

  _pair(what, colour, ground, needed) {
    const ratio = this._ratio(this._over(this._colour(colour), ground), ground);
    return { what, ratio: Math.round(ratio * 100) / 100, needed };
  },

  _text(element, style, what) {
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
    return this._pair(what, style.color, this._ground(element), large ? 3 : 4.5);
  },

  // Contrast of each text and of each part that makes a control or its state visible (1.4.3, 1.4.11).
  contrast() {
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
      if (text && element.checkVisibility() && !["SCRIPT", "STYLE"].includes(element.tagName)) {
        found.push(this._text(element, getComputedStyle(element), text.slice(0, 40)));
      }
    }
    for (const element of document.querySelectorAll("[data-label]")) {
      const style = getComputedStyle(element, "::before");
      if (style.content !== "none") { found.push(this._text(element, style, style.content)); }
    }
    for (const element of document.querySelectorAll("button, input, select")) {
      if (!element.checkVisibility()) { continue; }
      const style = getComputedStyle(element), outside = this._ground(element.parentElement);
      found.push(this._pair("border of " + (element.id || element.tagName), style.borderTopColor, outside, 3));
      found.push(this._text(element, style, "text in " + (element.id || element.tagName)));
    }
    for (const element of document.querySelectorAll("nav [aria-current]")) {
      found.push(this._pair("mark of the current page", getComputedStyle(element).borderBottomColor, this._ground(element), 3));
    }
    for (const element of document.querySelectorAll("svg.share")) {
      found.push(this._pair("share of voting power", getComputedStyle(element).fill, this._ground(element), 3));
    }
    return found;
  },

  // All that the keyboard must reach, in the order of the document.
  controls() {
    const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']");
    return [...all].filter((element) => element.checkVisibility());
  },

  // What has the focus: its place among the controls (-1: none of them), and whether and where it can be seen.
  focus() {
    const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
    return {
      place: this.controls().indexOf(element), what: element.outerHTML.slice(0, 80),
      outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
      ratio: this._ratio(this._colour(style.outlineColor), this._ground(element.parentElement || element)),
      inView: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
    };
  },

  // What is wrong with the page's structure, one sentence each.
  problems() {
    const found = [], all = (selector) => [...document.querySelectorAll(selector)], shown = (e) => e.outerHTML.slice(0, 80);
    const say = (bad, sentence) => { if (bad) { found.push(sentence); } };
    say(!document.documentElement.lang, "the page names no language");
    say(!document.title.trim(), "the page has no title");
    for (const one of ["h1", "main", "body > header", "body > footer", "nav[aria-label=Explorer]"]) {
      say(all(one).length !== 1, `${all(one).length} of ${one}, expected 1`);
    }
    const levels = all("h1, h2, h3, h4, h5, h6").map((heading) => +heading.tagName[1]);
    say(levels.some((level, i) => level > (i ? levels[i - 1] : 0) + 1), "headings leave out a level: " + levels);
    const ids = all("[id]").map((element) => element.id);
    say(new Set(ids).size !== ids.length, "an id stands twice");
    for (const element of all("[aria-labelledby], [aria-describedby], label[for]")) {
      const names = [element.getAttribute("aria-labelledby"), element.getAttribute("aria-describedby"), element.getAttribute("for")];
      for (const name of names.filter(Boolean)) { say(!document.getElementById(name), `${shown(element)} refers to nothing`); }
    }
    for (const table of all("table")) {
      say(!table.caption && !table.hasAttribute("aria-labelledby"), `${shown(table)} has no name`);
      say(!table.querySelector("thead th[scope=col]"), `${shown(table)} has no column headers`);
      for (const row of table.tBodies[0].rows) { say(!row.querySelector("th[scope=row]"), `${shown(row)} has no row header`); }
    }
    say(all("th:not([scope])").length, "a table header has no scope");
    for (const field of all("input:not([type=hidden]), select")) { say(!field.labels.length, `${shown(field)} has no label`); }
    for (const element of all("a[href], button")) { say(!element.textContent.trim() && !element.ariaLabel, `${shown(element)} has no name`); }
    for (const control of all("button, input:not([type=hidden]), select, body > header nav a").filter((e) => e.checkVisibility())) {
      const box = control.getBoundingClientRect();
      say(Math.min(box.width, box.height) < 24, `${shown(control)} is smaller than 24 by 24 pixels`);
    }
    return found;
  },
})
