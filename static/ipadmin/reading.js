// Shows a list of addresses while the server reads it: parts of the page, as they come.
(() => {
  "use strict";

  const SEPARATOR = "<!-- part -->";
  const STOP_MILLISECONDS = 1000;
  const STOP_TRIES = 5;
  let controller = null;
  let waiting = null;

  // The whole list, or, while the page shows an earlier reading, only the progress.
  const show = (html) => {
    // A dialog cannot open for a row that is replaced meanwhile.
    if (document.querySelector("#listing .htmx-request")) {
      waiting = html;
      return;
    }
    const isProgress = html.trimStart().startsWith("<p");
    const target = document.querySelector(isProgress ? "#listing .read-at" : "#listing");
    if (target) htmx.swap(target, html, { swapStyle: isProgress ? "outerHTML" : "innerHTML" });
  };

  const parts = async (response, take) => {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      const found = text.split(SEPARATOR);
      text = found.pop();
      if (found.length) take(found.at(-1));
    }
  };

  const read = async (url) => {
    if (controller) return;
    controller = new AbortController();
    // What was asked for when it began; a filter that changes meanwhile asks for its own list.
    const query = location.search;
    let isShown = true;
    try {
      const response = await fetch(url + query, { signal: controller.signal, headers: { "X-Requested-With": "fetch" } });
      // To the sign-in page, because the session ended.
      if (response.redirected) return location.reload();
      if (!response.ok) throw new Error(response.statusText);
      await parts(response, (html) => {
        isShown = location.search === query;
        if (isShown) show(html);
      });
      controller = null;
    } catch {
      controller = null;
      isShown = false;
    }
    if (isShown) return;
    // The server notices with its next step that a reading was stopped, and keeps what was read.
    for (let tries = 0; tries < STOP_TRIES; tries += 1) {
      await new Promise((resolve) => { setTimeout(resolve, STOP_MILLISECONDS); });
      if (controller || !document.getElementById("listing")) return;
      await htmx.ajax("GET", location.pathname + location.search, { target: "#listing", swap: "innerHTML" });
      // It says that nothing was read yet.
      if (!document.querySelector("#listing > .reading")) return;
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-read], [data-stop]");
    if (!button) return;
    event.preventDefault();
    if (button.matches("[data-stop]")) controller?.abort();
    else read(button.dataset.read);
  });
  document.addEventListener("htmx:afterRequest", () => setTimeout(() => {
    const html = waiting;
    waiting = null;
    if (html) show(html);
  }));
  const automatic = document.querySelector("[data-read-now]");
  if (automatic) read(automatic.dataset.readNow);
})();
