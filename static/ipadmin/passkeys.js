// Passkeys: a form with `data-passkey` asks the browser for one, and sends what it returns. And the
// button that prints recovery codes.
(() => {
  "use strict";

  const MESSAGES = {
    NotAllowedError: "No passkey was used: this was cancelled, or took too long. Try again.",
    InvalidStateError: "This device already has a passkey for your account.",
    SecurityError: "Passkeys need a host name: open this site with its name, or as localhost.",
  };
  const OTHER = "This browser could not use a passkey. Try again, or use another way.";

  // In the page, or for the sign-in, which is a page that others cache: from the server.
  const optionsOf = async (form) => {
    const given = document.getElementById("passkey-options");
    if (given) return JSON.parse(given.textContent);
    const response = await fetch(form.action, { headers: { Accept: "application/json" } });
    return response.json();
  };

  const credentialOf = async (form) => {
    const { creation_options: creation, request_options: request } = await optionsOf(form);
    if (request) return window.webauthnJSON.get(request);
    // The browser lists it without a user name.
    Object.assign(creation.publicKey.authenticatorSelection, { residentKey: "required", requireResidentKey: true });
    return window.webauthnJSON.create(creation);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-passkey]")) return;
    event.preventDefault();
    if (form.dataset.asking) return;
    form.dataset.asking = "yes";
    const error = form.querySelector(".passkey-error");
    error.hidden = true;
    try {
      form.elements.credential.value = JSON.stringify(await credentialOf(form));
      form.submit();
    } catch (exception) {
      error.textContent = MESSAGES[exception.name] || OTHER;
      error.hidden = false;
      delete form.dataset.sent;
    } finally {
      delete form.dataset.asking;
    }
  });

  document.addEventListener("click", (event) => { if (event.target.closest("[data-print]")) window.print(); });
})();
