// What the pages do better with a script; all of it works without.
"use strict";

// How far an upload is, and that a file is too large before it is sent.
for (const form of document.querySelectorAll("form[data-most]")) {
  const note = form.querySelector("#note");
  const bar = form.querySelector("progress");
  const button = form.querySelector("button");
  form.addEventListener("submit", (event) => {
    const input = form.querySelector("input[type=file]");
    const files = input ? [...input.files] : [];
    const size = files.reduce((sum, file) => sum + file.size, 0);
    event.preventDefault();
    if (size > Number(form.dataset.most)) {
      note.textContent = `The files have ${(size / 1e9).toFixed(1)} GB; at most ${Number(form.dataset.most) / 1e9} GB are taken.`;
      return;
    }
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.upload.addEventListener("progress", (sent) => {
      bar.hidden = !sent.lengthComputable;
      bar.value = sent.lengthComputable ? sent.loaded / sent.total : 0;
    });
    request.addEventListener("load", () => {
      if (request.status === 200 && request.responseURL && new URL(request.responseURL).pathname !== new URL(form.action).pathname) {
        location.assign(request.responseURL);
        return;
      }
      bar.hidden = true;
      button.disabled = false;
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const alert = page.querySelector("[role=alert]");
      note.textContent = (alert || page.body).textContent.trim();
      note.setAttribute("role", "alert");
    });
    request.addEventListener("error", () => {
      bar.hidden = true;
      button.disabled = false;
      note.textContent = "The server does not answer; try again.";
    });
    // A page that comes back from the browser's memory can be sent again.
    addEventListener("pageshow", () => { button.disabled = false; bar.hidden = true; note.textContent = ""; }, { once: true });
    button.disabled = true;
    note.textContent = files.length ? "sending" : "";
    request.send(new FormData(form));
  });
}

// What has become of a job that waits or runs; the page is loaded anew when it has ended.
const status = document.querySelector("[data-poll]");
if (status) {
  const ask = async () => {
    try {
      const answer = await fetch(status.dataset.poll, { credentials: "same-origin" });
      if (answer.status === 205 || answer.status === 404) {
        location.reload();
        return;
      }
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        status.replaceChildren(...page.body.childNodes);
      }
    } catch {
      // the server is being restarted: ask again
    }
    setTimeout(ask, 1000);
  };
  setTimeout(ask, 500);
}
