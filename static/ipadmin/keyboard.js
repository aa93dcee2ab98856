// The search from anywhere, and shortcuts. Every page works without it.
(() => {
  "use strict";

  const GO_TO = { a: "addresses_home", h: "audit", t: "tokens" };
  const GO_MILLISECONDS = 1500;
  const search = document.getElementById("site-search");
  const results = document.getElementById("site-results");
  const shortcuts = document.getElementById("shortcuts");
  let wentAt = 0;

  const isTyping = (element) =>
    element.matches("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button])");
  const hits = () => [...results.querySelectorAll("[data-hit]")];
  const rows = () => [...document.querySelectorAll("main tbody > tr:has(a)")];
  const rowOf = (element) => element.closest("main tbody > tr");
  const hide = () => { results.hidden = true; };

  const openSearch = () => {
    // On small screens the box is a link to the page of the search.
    if (!search.offsetParent) location.assign(search.form.action);
    search.focus();
    search.select();
  };

  // Moves the focus to the next of some elements, or to the first.
  const move = (elements, current, step) => {
    const index = elements.indexOf(current);
    const next = elements[index < 0 ? 0 : index + step];
    if (!next) return false;
    next.focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  };

  const moveInRows = (step) => {
    const links = rows().map((row) => row.querySelector("a"));
    const row = rowOf(document.activeElement);
    return move(links, row && row.querySelector("a"), step);
  };

  const unallocate = () => {
    const row = rowOf(document.activeElement);
    const link = row && row.querySelector("[data-unallocate]");
    if (link) link.click();
    return Boolean(link);
  };

  const goTo = (key) => {
    const link = document.querySelector(`[data-page="${GO_TO[key]}"]`);
    if (link) link.click();
    return Boolean(link);
  };

  const SHORTCUTS = {
    "/": () => { openSearch(); return true; },
    "?": () => { shortcuts.showModal(); return true; },
    j: () => moveInRows(1),
    k: () => moveInRows(-1),
    ArrowDown: () => rowOf(document.activeElement) && moveInRows(1),
    ArrowUp: () => rowOf(document.activeElement) && moveInRows(-1),
    u: unallocate,
    g: () => { wentAt = Date.now(); return true; },
  };

  const inSearch = (event) => {
    if (event.key === "Escape") {
      hide();
      search.blur();
    } else if (event.key === "ArrowDown" && !results.hidden) {
      if (move(hits(), document.activeElement, 1)) event.preventDefault();
    } else if (event.key === "ArrowUp" && !results.hidden) {
      event.preventDefault();
      const [first] = hits();
      if (document.activeElement === first) search.focus();
      else if (document.activeElement !== search) move(hits(), document.activeElement, -1);
    } else if (event.key === "Enter" && event.target === search && !results.hidden) {
      const [first] = hits();
      if (!first || search.value !== results.dataset.query) return;
      event.preventDefault();
      first.click();
    }
  };

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openSearch();
      return;
    }
    if (event.target.closest("#site-search-form")) {
      inSearch(event);
      if (isTyping(event.target) || event.defaultPrevented) return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const isGoing = Date.now() - wentAt < GO_MILLISECONDS && event.key in GO_TO;
    wentAt = 0;
    if (isGoing ? goTo(event.key) : SHORTCUTS[event.key]?.()) event.preventDefault();
  });

  if (!search) return;
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close-shortcuts]")) shortcuts.close();
    if (!event.target.closest("#site-search-form")) hide();
  });
  results.addEventListener("htmx:afterSwap", () => {
    results.dataset.query = search.value;
    results.hidden = !search.value.trim();
  });
  search.addEventListener("focus", () => { if (search.value && hits().length) results.hidden = false; });
  // A field of one line drops the line breaks of what is pasted: spaces keep its words apart.
  search.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text");
    if (!/\n/.test(text)) return;
    event.preventDefault();
    search.setRangeText(text.replace(/\s+/g, " "), search.selectionStart, search.selectionEnd, "end");
    search.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
