// Fetches slow parts after the page is there, sends forms without leaving it, and shows how an upload goes.
// Everything it does can be done without it: each part is a link first, each form sends itself.

const MOST_AT_ONCE = 3;
const announcement = document.getElementById("announcement");

function tell(text) {
  announcement.textContent = text;
}

async function answerOf(address, options = {}) {
  const headers = { Accept: "text/html", "X-Fragment": "1" };
  const answer = await fetch(address, { headers, credentials: "same-origin", ...options });
  return answer.text();
}

function place(target, html) {
  target.innerHTML = html; // written and escaped by this server; scripts in it would not run
  target.removeAttribute("aria-busy");
  begin(target);
}

function failed(target) {
  const notice = document.createElement("p");
  notice.className = "caveat";
  notice.setAttribute("role", "alert");
  notice.textContent = "The server does not answer; reload the page to try again.";
  target.replaceChildren(notice);
  target.removeAttribute("aria-busy");
}

async function load(target) {
  target.setAttribute("aria-busy", "true");
  try {
    place(target, await answerOf(target.dataset.part));
    if (target.dataset.title) tell(`${target.dataset.title}: loaded`);
  } catch {
    failed(target);
  }
}

async function loadAll(targets) {
  const waiting = [...targets];
  const work = async () => {
    while (waiting.length) await load(waiting.shift());
  };
  await Promise.all(Array.from({ length: MOST_AT_ONCE }, work));
  document.body.dataset.loaded = "true";
}

async function send(form, target) {
  const button = form.querySelector("button");
  button.disabled = true;
  target.setAttribute("aria-busy", "true");
  tell("Working");
  try {
    place(target, await answerOf(form.action, { method: "POST", body: new FormData(form) }));
    tell("Done: the answer is below the form");
  } catch {
    failed(target);
  }
  button.disabled = false;
}

function upload(form, target) {
  const bar = form.querySelector("progress");
  const button = form.querySelector("button");
  const request = new XMLHttpRequest();
  let last = -1;
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    const percent = Math.round((100 * event.loaded) / event.total);
    bar.value = percent;
    if (percent >= last + 25) {
      last = percent;
      tell(percent < 100 ? `${percent} percent sent` : "Sent; the server reads it now");
    }
  });
  request.addEventListener("load", () => {
    place(target, request.responseText);
    tell("Done: the answer is below the form");
    bar.hidden = true;
    button.disabled = false;
  });
  request.addEventListener("error", () => {
    failed(target);
    bar.hidden = true;
    button.disabled = false;
  });
  bar.hidden = false;
  bar.value = 0;
  button.disabled = true;
  target.setAttribute("aria-busy", "true");
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "text/html");
  request.setRequestHeader("X-Fragment", "1");
  request.send(new FormData(form));
}

function takeDrops(zone) {
  const input = zone.querySelector("input[type=file]");
  for (const kind of ["dragenter", "dragover"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.remove("over");
    });
  }
  zone.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    zone.closest("form").requestSubmit();
  });
}

// Asks a passkey and sends what it says with the form around the button.
async function askPasskey(button) {
  const form = button.form;
  if (!form.reportValidity()) return;
  const options = JSON.parse(button.dataset.options);
  button.disabled = true;
  try {
    const answer =
      button.dataset.passkey === "create"
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    form.elements.passkey.value = JSON.stringify(answer);
    form.submit();
  } catch {
    button.disabled = false;
    tell("No passkey was used; try again, or reload the page if it was open for long");
  }
}

function begin(root) {
  if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    for (const button of root.querySelectorAll("button[data-passkey]")) {
      button.hidden = false;
      button.addEventListener("click", () => askPasskey(button));
    }
  }
  for (const form of root.querySelectorAll("form[data-target]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const target = document.getElementById(form.dataset.target);
      if (form.querySelector("progress")) upload(form, target);
      else send(form, target);
    });
  }
  for (const select of root.querySelectorAll("select[data-usual-dose]")) {
    select.addEventListener("change", () => {
      const dose = select.closest("[data-step]").querySelector("input[name=dose_mg]");
      dose.value = select.selectedOptions[0].dataset.usual ?? "";
    });
  }
  root.querySelectorAll(".drop").forEach(takeDrops);
  for (const again of root.querySelectorAll("[data-again]")) {
    const look = () => again.isConnected && load(again.closest("[data-part]"));
    setTimeout(look, Number(again.dataset.again) * 1000);
  }
}

// A reference to a source opens the list that holds it.
addEventListener("hashchange", () => {
  const folded = document.getElementById(location.hash.slice(1))?.closest("details");
  if (folded && !folded.open) {
    folded.open = true;
    document.getElementById(location.hash.slice(1)).scrollIntoView();
  }
});

begin(document);
loadAll(document.querySelectorAll("[data-part]"));
