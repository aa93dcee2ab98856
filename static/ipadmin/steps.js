// Buttons with `data-wait` (seconds) can be used after that time, and count it down.
(() => {
  "use strict";

  const ends = new WeakMap();

  const tick = () => {
    for (const button of document.querySelectorAll("[data-wait]")) {
      if (!ends.has(button)) ends.set(button, performance.now() + button.dataset.wait * 1000);
      const seconds = Math.ceil((ends.get(button) - performance.now()) / 1000);
      button.querySelector(".countdown").textContent = seconds > 0 ? `in ${seconds} s` : "";
      button.setAttribute("aria-disabled", seconds > 0);
      if (seconds <= 0) delete button.dataset.wait;
    }
  };
  setInterval(tick, 1000);
  document.addEventListener("htmx:afterSettle", tick);
  tick();

  // Before htmx, and before a form is sent.
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-wait]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
})();
