// What HTML alone cannot do here. Every page works without it.
(() => {
  "use strict";

  const root = document.documentElement;
  const dialog = document.getElementById("dialog");
  const announcer = document.getElementById("announcer");
  let opener = null;
  let announced = "";

  root.classList.add("js");

  // Times are shown in this zone, from the next page on.
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  if (timeZone) {
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `timezone=${timeZone}; path=/; max-age=${365 * 24 * 60 * 60}; samesite=lax${secure}`;
  }

  const announce = (text) => {
    text = (text || "").trim().replace(/\s+/g, " ");
    if (!text || text === announced) return;
    announced = text;
    announcer.textContent = "";
    // A region that was just emptied needs a moment to be read again.
    setTimeout(() => { announcer.textContent = text; }, 50);
  };

  const wording = (id) => document.getElementById(id).content.cloneNode(true);
  const isBusy = (element) => Boolean(element.querySelector(".htmx-request, [data-sent]"));
  const isError = (xhr) => xhr.status >= 400;

  // The dialog

  const open = () => {
    if (!dialog.open) {
      opener = document.activeElement;
      dialog.showModal();
    }
    (dialog.querySelector("[autofocus]") || dialog).focus();
  };

  // Escape does not hide an action that is under way.
  dialog.addEventListener("cancel", (event) => { if (isBusy(dialog)) event.preventDefault(); });
  dialog.addEventListener("close", () => {
    if (!isBusy(dialog)) dialog.replaceChildren();
    if (opener && opener.isConnected) opener.focus();
    opener = null;
  });

  // Copying

  const copy = async (source) => {
    const text = source.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
      source.classList.add("is-copied");
      setTimeout(() => source.classList.remove("is-copied"), 1600);
      announced = "";
      announce(`Copied ${source.dataset.copyName || text}`);
    } catch {
      // Without the permission, or over plain HTTP: select it for Ctrl-C.
      getSelection().selectAllChildren(source.querySelector(".mono") || source);
      announce("Press Ctrl and C to copy");
    }
  };

  document.addEventListener("click", (event) => {
    const target = event.target;
    const closer = target.closest("[data-close-dialog]");
    if (closer && dialog.contains(closer)) {
      event.preventDefault();
      if (!isBusy(dialog)) dialog.close();
      return;
    }
    target.closest(".flash-close")?.parentElement.remove();
    const source = target.closest("[data-copy]");
    const isSelecting = !target.closest("button") && String(getSelection()) !== "";
    if (source && !target.closest("a") && !isSelecting) copy(source);
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // A plain form is sent once; Back makes it new.

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    // htmx may have changed the URL since the form was made.
    const here = form.querySelector("[data-this-page]");
    if (here) here.value = location.pathname + location.search;
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // A button that is dangerous is enabled when its address is typed.

  const enable = (field) => {
    const typed = field.value.trim().toLowerCase();
    field.form.querySelector("button[type=submit]").disabled = typed !== field.dataset.enables.toLowerCase();
  };
  const enableAll = (within) => within.querySelectorAll("[data-enables]").forEach(enable);
  document.addEventListener("input", (event) => { if (event.target.dataset.enables) enable(event.target); });
  window.addEventListener("pageshow", () => enableAll(document));

  // htmx

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { detail } = event;
    const { xhr } = detail;
    if (!isError(xhr) || xhr.getResponseHeader("HX-Retarget")) return;
    const answer = xhr.responseText;
    // A proxy's page, or nothing at all, is not for the middle of ours.
    if (!answer.trim() || /^\s*<(!doctype|html)/i.test(answer)) {
      detail.serverResponse = document.getElementById("unreadable-answer").innerHTML;
    } else if (answer.includes("data-result")) {
      return;
    }
    if (dialog.open) {
      detail.target = dialog;
      detail.swapOverride = "innerHTML";
    } else if (/^row-/.test(detail.target.id)) {
      detail.shouldSwap = false;
    }
  });
  // What is followed keeps its last result; so does a page whose request swaps nothing.
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.elt.closest("[data-followed]")) showLost(event);
  });
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) forgetLost(); });

  document.addEventListener("htmx:afterSwap", () => {
    if (dialog.open && !dialog.hasChildNodes()) dialog.close();
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    const element = event.target;
    if (element === dialog) open();
    enableAll(element);
    const result = element.closest("[data-result]");
    if (result && dialog.open) {
      opener = null;
      dialog.replaceChildren();
      dialog.close();
      result.focus();
    }
    const speaker = element.matches("[data-announce]") ? element : element.querySelector("[data-announce]");
    if (speaker) announce(speaker.dataset.announce);
  });

  const forgetLost = () => {
    for (const old of document.querySelectorAll("[data-lost]")) old.remove();
  };

  const showLost = (event) => {
    const element = event.detail.elt;
    const attempt = element.closest("[data-attempt]");
    const followed = element.closest("[data-followed]");
    // It is asked for every two seconds: said once, and where it stands.
    if (followed && followed.querySelector("[data-lost]")) return;
    if (!followed) forgetLost();
    const message = document.createElement("div");
    message.dataset.lost = "";
    message.append(wording(attempt ? "lost-attempt" : followed ? "lost-result" : "lost-page"));
    if (attempt) attempt.prepend(message);
    else if (followed) followed.querySelector(".note-title").after(message);
    else document.getElementById("content").prepend(message);
    // The button that was pressed could not keep the focus.
    if (attempt) attempt.querySelector("[autofocus]").focus();
    if (!followed) message.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("htmx:sendError", showLost);
  document.addEventListener("htmx:timeout", showLost);
})();
