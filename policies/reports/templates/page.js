"use strict";
(() => {
  const form = document.getElementById("filters");
  const rules = [...document.querySelectorAll(".rule")];
  const shown = document.getElementById("shown");
  const matches = (rule, wanted) =>
    (!wanted.severity || rule.dataset.severity === wanted.severity) &&
    (!wanted.group || rule.dataset.group === wanted.group) &&
    (!wanted.outcome || (wanted.member
      ? rule.dataset["of_" + wanted.member] === wanted.outcome
      : rule.dataset.outcomes.split(" ").includes(wanted.outcome))) &&
    (!wanted.control || rule.dataset.controls.split(" ").includes(wanted.control)) &&
    (!wanted.text || rule.textContent.toLowerCase().includes(wanted.text.toLowerCase()));
  const narrow = () => {
    const wanted = Object.fromEntries(new FormData(form));
    let count = 0;
    for (const rule of rules) {
      rule.hidden = !matches(rule, wanted);
      count += rule.hidden ? 0 : 1;
      for (const cell of rule.querySelectorAll("[data-member]")) {
        cell.hidden = Boolean(wanted.member) && cell.dataset.member !== wanted.member;
      }
    }
    for (const group of document.querySelectorAll(".grouped")) {
      group.hidden = !group.querySelector(".rule:not([hidden])");
    }
    shown.textContent = `${count} of ${rules.length} rules`;
  };
  form.addEventListener("input", narrow);
  form.addEventListener("reset", () => setTimeout(narrow));
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("beforeprint", () => rules.forEach((rule) => { rule.open = rule.dataset.worst !== "pass" && rule.dataset.worst !== "not-applicable"; }));
  narrow();
})();
