// Shows what happens in a case as it happens. Without it the page says the same when it is opened again.
"use strict";
(() => {
  const live = document.getElementById("live");
  const status = document.getElementById("status");
  const open = document.getElementById("open");
  if (!live || !status || !("EventSource" in window)) return;
  document.getElementById("refresh")?.remove();
  const source = new EventSource(live.dataset.events);
  source.addEventListener("progress", (event) => {
    const told = JSON.parse(event.data);
    const page = new DOMParser().parseFromString(told.html, "text/html");
    live.replaceChildren(...page.body.childNodes);
    // Read out only when it says something new.
    if (status.textContent !== told.status) status.textContent = told.status;
    if (told.done) {
      source.close();
      open?.remove();
    }
  });
})();
