// Selecting addresses: ranges, all that match the filter, and how many they are. Without it, the checkboxes of a page
// are sent as they are.
(() => {
  "use strict";

  const BOX = "[data-select]";
  // IDs of the list's selected addresses, on any page of it; or else all that match its filter.
  const chosen = new Set();
  let allOf = "";
  let last = null;

  const list = () => document.getElementById("selection");
  const boxesOf = (form) => [...form.elements].filter((each) => each.matches(BOX));
  const checked = (boxes) => boxes.filter((each) => each.checked);
  const filterOf = (form) => [...form.querySelectorAll("[data-filter]")].map((each) => each.name + each.value).join("\n");

  const countOf = (form) => {
    if (form !== list()) return checked(boxesOf(form)).length;
    return allOf ? Number(form.dataset.total) : chosen.size;
  };

  const isOnePage = (form) => !(Number(form.dataset.total) > boxesOf(form).length);

  const show = (form) => {
    const count = countOf(form);
    const boxes = boxesOf(form);
    const isWhole = allOf || (isOnePage(form) && checked(boxes).length === boxes.length);
    form.classList.toggle("has-selection", count > 0);
    for (const each of form.querySelectorAll("[data-selected]")) each.textContent = count.toLocaleString("en");
    for (const each of form.querySelectorAll("[data-plural]")) each.hidden = count === 1;
    for (const each of form.querySelectorAll("[data-select-all]")) each.hidden = Boolean(form === list() ? isWhole : count === boxes.length);
    form.querySelector("[type=submit]").disabled = count === 0;
    const unseen = form.querySelector("[data-unseen]");
    if (unseen) unseen.hidden = allOf || checked(boxes).length === count;
    const whole = document.querySelector("[data-select-page]");
    if (form !== list() || !whole) return;
    whole.checked = boxes.length > 0 && checked(boxes).length === boxes.length;
    whole.indeterminate = !whole.checked && checked(boxes).length > 0;
  };

  // What the boxes of the page say, together with what was selected on other pages.
  const take = (form) => {
    if (form === list()) {
      if (allOf) chosen.clear();
      allOf = "";
      for (const box of boxesOf(form)) chosen[box.checked ? "add" : "delete"](box.value);
    }
    show(form);
  };

  // What was selected before the list was replaced.
  const restore = () => {
    const form = list();
    if (!form) return;
    if (allOf !== filterOf(form) + form.action) allOf = "";
    for (const box of boxesOf(form)) box.checked = Boolean(allOf) || chosen.has(box.value);
    show(form);
  };

  const check = (boxes, isChecked) => { for (const box of boxes) box.checked = isChecked; };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-select-all], [data-select-none]");
    if (button) {
      const { form } = button;
      const isAll = button.matches("[data-select-all]");
      if (!isAll) chosen.clear();
      check(boxesOf(form), isAll);
      take(form);
      if (isAll && form === list() && !isOnePage(form)) allOf = filterOf(form) + form.action;
      show(form);
    }
    const box = event.target;
    if (!box.matches(BOX) || !box.form) return;
    const boxes = boxesOf(box.form);
    if (event.shiftKey && boxes.includes(last)) {
      const ends = [boxes.indexOf(last), boxes.indexOf(box)].sort((one, other) => one - other);
      check(boxes.slice(ends[0], ends[1] + 1), box.checked);
    }
    last = box;
  });

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches("[data-select-page]") && list()) check(boxesOf(list()), box.checked);
    const form = box.matches("[data-select-page]") ? list() : box.matches(BOX) && box.form;
    if (form) take(form);
  });

  // Addresses on other pages have no box here.
  document.addEventListener("formdata", (event) => {
    if (event.target !== list()) return;
    event.formData.delete("address");
    if (allOf) event.formData.set("all", "1");
    else event.formData.set("address", [...chosen].join(" "));
  });

  document.addEventListener("htmx:afterSwap", restore);
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.matches("[data-result]")) chosen.delete(event.target.id.replace("row-", ""));
    restore();
    for (const form of document.querySelectorAll("form[data-selection]:not(#selection)")) show(form);
  });
  // A browser restores the boxes after Back.
  window.addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form[data-selection]")) take(form); });
})();
