// The search from anywhere, and shortcuts. Every page works without it.
(() => {
  "use strict";

  const GO_TO = { a: "addresses_home", h: "audit", r: "runs", t: "tokens", w: "waiting" };
  const GO_MILLISECONDS = 1500;
  const search = document.getElementById("site-search");
  const results = document.getElementById("site-results");
  const shortcuts = document.getElementById("shortcuts");
  const ROW = "main tbody > tr, .hit";
  const MAX_LENGTH = 100001;
  let wentAt = 0;
  let isOpening = false;

  if (!search) return;
  // Longer texts than fit in a URL are sent by POST.
  const maxInUrl = search.maxLength;
  search.maxLength = MAX_LENGTH;

  const isTyping = (element) =>
    element.matches("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button])");
  const hits = () => [...results.querySelectorAll("[data-hit]")];
  const rowOf = (element) => element.closest(ROW);
  const linkOf = (row) => row && row.querySelector("a[href]");
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
    const focused = document.activeElement;
    const within = focused.closest("#site-results") || document.querySelector("main");
    const links = [...within.querySelectorAll(ROW)].map(linkOf).filter(Boolean);
    return move(links, linkOf(rowOf(focused)), step);
  };

  // `focus` or `click` the first such element of the current row.
  const inRow = (selector, action) => {
    const row = rowOf(document.activeElement);
    const element = row && row.querySelector(selector);
    if (element) element[action]();
    return Boolean(element);
  };

  // Toggles the box of the current row.
  const select = (shiftKey) => {
    const row = rowOf(document.activeElement);
    const box = row && row.querySelector("[data-select]");
    if (box) box.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey }));
    return Boolean(box);
  };

  const unallocateSelected = () => {
    const form = document.querySelector("main form[data-selection].has-selection");
    if (form) form.requestSubmit();
    return Boolean(form);
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
    ArrowRight: () => inRow("[data-unallocate]", "focus"),
    ArrowLeft: () => inRow("a[href]", "focus"),
    u: () => inRow("[data-unallocate]", "click"),
    x: () => select(false),
    // With Shift: from the row selected last; and what is selected.
    X: () => select(true),
    U: () => unallocateSelected(),
    g: () => { wentAt = Date.now(); return true; },
  };

  const submit = () => {
    const { form } = search;
    const isLong = search.value.length > maxInUrl;
    form.method = isLong ? "post" : "get";
    form.elements.csrfmiddlewaretoken.disabled = !isLong;
    form.requestSubmit();
  };

  // The first result, or the page of what a pasted text names.
  const openFirst = () => {
    isOpening = false;
    const [first] = hits();
    if (first && !results.querySelector("[data-pasted]")) first.click();
    else submit();
  };

  const inSearch = (event) => {
    const focused = document.activeElement;
    if (event.key === "Escape") {
      event.preventDefault();
      hide();
      focused.blur();
    } else if (event.key === "ArrowDown" && !results.hidden) {
      event.preventDefault();
      move(hits(), linkOf(rowOf(focused)) || focused, 1);
    } else if (event.key === "ArrowUp" && !results.hidden) {
      event.preventDefault();
      const current = linkOf(rowOf(focused)) || focused;
      if (current === hits()[0]) search.focus();
      else if (focused !== search) move(hits(), current, -1);
    } else if (event.key === "Enter" && focused === search) {
      event.preventDefault();
      // Results that are still to come are opened as they come.
      isOpening = search.value !== (results.dataset.query || "");
      if (!isOpening) openFirst();
    }
  };

  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    const isInSearch = event.target.closest("#site-search-box");
    if (isTyping(event.target) && !isInSearch) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openSearch();
      return;
    }
    if (isInSearch) {
      inSearch(event);
      if (isTyping(event.target) || event.defaultPrevented) return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isGoing = Date.now() - wentAt < GO_MILLISECONDS && event.key in GO_TO;
    wentAt = 0;
    if (isGoing ? goTo(event.key) : SHORTCUTS[event.key]?.()) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close-shortcuts]")) shortcuts.close();
    if (!event.target.closest("#site-search-box")) hide();
  });
  search.addEventListener("htmx:afterRequest", (event) => {
    results.dataset.query = event.detail.requestConfig.parameters.q;
    results.hidden = !search.value.trim();
    if (isOpening && results.dataset.query === search.value) openFirst();
  });
  search.addEventListener("input", () => { isOpening = false; });
  search.addEventListener("focus", () => { if (search.value && hits().length) results.hidden = false; });
  // A field of one line drops the line breaks of what is pasted: spaces keep its words apart.
  search.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text").slice(0, MAX_LENGTH);
    if (!/\n/.test(text)) return;
    event.preventDefault();
    search.setRangeText(text.replace(/\s+/g, " "), search.selectionStart, search.selectionEnd, "end");
    search.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
