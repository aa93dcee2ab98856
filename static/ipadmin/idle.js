// Warns before the idle timeout, for all tabs of the session together. Without it the session ends all the same.
(() => {
  "use strict";

  const dialog = document.getElementById("idle");
  if (!dialog) return;
  const TIMEOUT = Number(dialog.dataset.timeout) * 1000;
  const MINUTE = 60 * 1000;
  const WARNED_BEFORE = 5 * MINUTE;
  // The server writes once a minute that a session was used, so that it may end this much earlier than is known here.
  const PRECISION = MINUTE;
  const CHECK_EVERY = 5000;
  const BACKGROUND = "X-Background";
  // Shared by the tabs of this browser.
  const KEY = "session-ends-at";
  let endsAt = 0;

  const use = () => {
    endsAt = Date.now() + TIMEOUT;
    try { localStorage.setItem(KEY, endsAt); } catch { /* This tab alone, then. */ }
  };

  const shared = () => {
    try { return Number(localStorage.getItem(KEY)); } catch { return 0; }
  };

  const check = () => {
    endsAt = Math.max(endsAt, shared());
    const left = endsAt - Date.now();
    if (left < -CHECK_EVERY) {
      // Not earlier: the request would start the timeout anew. The page is hidden, and the reader asked to sign in.
      location.replace(location.pathname + location.search);
    } else if (left < WARNED_BEFORE + PRECISION) {
      const minutes = Math.max(1, Math.floor((left - PRECISION) / MINUTE));
      dialog.querySelector("[data-left]").textContent = minutes === 1 ? "a minute" : `${minutes} minutes`;
      if (!dialog.open) dialog.showModal();
    } else if (dialog.open) {
      dialog.close();
    }
  };

  // htmx sends a request without an event when it polls.
  document.addEventListener("htmx:configRequest", (event) => {
    if (!event.detail.triggeringEvent) event.detail.headers[BACKGROUND] = "yes";
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { requestConfig, successful } = event.detail;
    if (!successful || BACKGROUND in requestConfig.headers) return;
    use();
    check();
  });
  // Escape is a sign of life, too.
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    dialog.querySelector("[data-stay]").click();
  });
  window.addEventListener("storage", check);
  document.addEventListener("visibilitychange", check);
  setInterval(check, CHECK_EVERY);
  use();
})();
