// The secret of a link stands after its #, which browsers send to no server, so that no log has it.
// Moves it from the address bar into the form, and opens the link.
(() => {
  "use strict";

  const open = () => {
    const form = document.getElementById("open-link");
    const secret = location.hash.slice(1);
    if (!secret) return;
    history.replaceState(null, "", location.pathname);
    form.elements.secret.value = secret;
    form.requestSubmit();
  };
  addEventListener("hashchange", open);
  open();
})();
