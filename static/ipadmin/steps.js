// Buttons with `data-wait` (seconds) can be used after that time, and count it down.
(() => {
  "use strict";

  const ends = new WeakMap();

  const countdownOf = (button) => {
    const found = button.querySelector(".countdown");
    if (found) return found;
    const made = document.createElement("span");
    made.className = "countdown";
    button.append(" ", made);
    return made;
  };

  const tick = () => {
    for (const button of document.querySelectorAll("[data-wait]")) {
      if (!ends.has(button)) ends.set(button, performance.now() + button.dataset.wait * 1000);
      const seconds = Math.ceil((ends.get(button) - performance.now()) / 1000);
      if (seconds > 0) {
        countdownOf(button).textContent = `in ${seconds} s`;
        button.setAttribute("aria-disabled", "true");
      } else {
        button.querySelector(".countdown")?.remove();
        button.removeAttribute("aria-disabled");
        delete button.dataset.wait;
      }
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
