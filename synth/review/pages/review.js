// What the pages do beyond links and forms: live counters, verdicts by keys, an edit's preview, sliders.
"use strict";

const $ = (selector) => document.querySelector(selector);
const token = $("meta[name=token]").content;
const said = (text, isWrong = false) => {
  $("#status").textContent = text;
  $("#status").classList.toggle("wrong", isWrong);
};

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-review-token": token },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("Not saved: the server does not answer. Start it again, then press the key again.");
  }
  if (answer.status === 403) {
    location.reload(); // the server was started again and has another token
    throw new Error("Not saved: the server was started again. The page is loaded anew.");
  }
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

async function show(url, parts) {
  const answer = await fetch(url);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parts) {
    const [here, there] = [$(part), page.querySelector(part)];
    if (here && there) here.replaceWith(document.importNode(there, true));
  }
}

// -- live -------------------------------------------------------------------------------------------------------------

function count({ rows, stages, running, behind, answered, in_flight, tokens, cost }) {
  const number = (value) => value.toLocaleString("en");
  const left = stages.reduce((sum, stage) => sum + (stage.waiting || 0), 0);
  const texts = stages.map((stage) => `${stage.stage} ${number(stage.kept)} kept, ${number(stage.rejected)} rejected`);
  texts.push(`${number(answered)} answers`, `${number(tokens)} tokens`);
  if (cost) texts.push(`cost ${cost.toFixed(4)}`);
  if (running) texts.push(`${number(in_flight)} in flight`, `${number(left)} still to do`);
  if (behind) texts.push("reading the ledger …");
  $("#live").replaceChildren(...texts.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
  $("#live").hidden = false;
  if ($("#list") && Number($("#list").dataset.rows) !== rows) refresh();
}

let refreshing = false;
async function refresh() {
  if (refreshing || scrollY > 200 || document.activeElement.closest("#list, .filters")) return;
  refreshing = true;
  try {
    await show(location.href, ["#list", "#total"]);
  } catch {} // the next event tries again
  refreshing = false;
}

new EventSource("/events").onmessage = (event) => count(JSON.parse(event.data));

// -- verdicts ---------------------------------------------------------------------------------------------------------

let busy = false;
async function once(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
  } catch (error) {
    said(error.message, true);
  }
  busy = false;
}

const next = (row = "") => {
  const url = new URL(location.href);
  row ? url.searchParams.set("row", row) : url.searchParams.delete("row");
  history.replaceState(null, "", url);
  return show(url, ["#main"]);
};

const give = (verdict) =>
  once(async () => {
    const { row, by } = $("#judge").dataset;
    const { saved } = await post("/verdict", { row, by, ...verdict });
    said(`Saved: ${saved.kind}${saved.reason ? `, ${saved.reason}` : ""}.`);
    await next();
  });

const undo = () =>
  once(async () => {
    const by = $("input[name=by]").value;
    const { row } = await post("/undo", { by });
    said("Taken back.");
    await next(row);
  });

const reasonOf = (key) => $(`#reasons [data-key="${key}"]`).firstChild.textContent.trim();
const isOpen = (id) => $(id) && !$(id).hidden;

function edit() {
  $("#edit").hidden = false;
  preview();
  $("#edit-output").focus();
}

async function preview() {
  const texts = Object.fromEntries(new FormData($("#edit")));
  try {
    const { html } = await post("/markdown", texts);
    for (const [name, text] of Object.entries(html)) {
      const page = new DOMParser().parseFromString(text, "text/html");
      $(`[data-shown=${name}]`).replaceChildren(...page.body.childNodes);
    }
  } catch (error) {
    said(error.message, true);
  }
}

const saveEdit = () => give({ kind: "edit", edited: Object.fromEntries(new FormData($("#edit"))) });

function say(question, word) {
  for (const button of question.querySelectorAll("button")) button.ariaPressed = button.dataset.say === word;
  const all = [...document.querySelectorAll("[data-question]")];
  const answers = all.map((one) => [one.dataset.question, one.querySelector("[aria-pressed=true]")?.dataset.say]);
  if (answers.every(([, told]) => told))
    give({ kind: "accept", answers: Object.fromEntries(answers.map(([name, told]) => [name, told === "yes"])) });
}

const unanswered = () => [...document.querySelectorAll("[data-question]")].find((one) => !one.querySelector("[aria-pressed=true]"));

function press(key) {
  if (key === "?") return $("#help")?.showModal();
  if (key === "/") return $("#search") ? $("#search").focus() : location.assign("/");
  if (key === "u" && $("input[name=by]")) return undo();
  if (!$("#judge")) return;
  if (key === "Escape") {
    $("#reasons").hidden = $("#edit").hidden = true;
    return;
  }
  if (isOpen("#reasons")) {
    if (key === "Enter") return give({ kind: "reject" });
    if (/^[1-9]$/.test(key)) return give({ kind: "reject", reason: reasonOf(key) });
  }
  if ((key === "y" || key === "n") && unanswered()) return say(unanswered(), key === "y" ? "yes" : "no");
  if (key === "s") return give({ kind: "skip" });
  if (document.querySelector("[data-question]")) return;
  if (key === "a") return give({ kind: "accept" });
  if (key === "r") $("#reasons").hidden = false;
  if (key === "e") edit();
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, dialog");
  if (event.target.closest("#edit")) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) saveEdit();
    if (event.key === "Escape") press("Escape");
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
  if (event.key === "/" || event.key === "?") event.preventDefault();
  if (!event.repeat) {
    if (event.key === "e") event.preventDefault();
    press(event.key);
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.key) press(button.dataset.key);
  if (button?.dataset.say) say(button.closest("[data-question]"), button.dataset.say);
});

document.addEventListener("submit", (event) => {
  if (event.target.id === "edit" || event.target.id === "sliders") event.preventDefault();
  if (event.target.id === "edit") saveEdit();
});

let typed;
document.addEventListener("input", (event) => {
  clearTimeout(typed);
  if (event.target.closest("#edit")) typed = setTimeout(preview, 300);
  if (event.target.closest("#sliders")) typed = setTimeout(slide, 60);
});

// -- thresholds -------------------------------------------------------------------------------------------------------

async function slide() {
  const wanted = new URLSearchParams();
  for (const input of document.querySelectorAll("#sliders input")) {
    input.parentElement.querySelector("output").textContent = Number(input.value).toPrecision(3) * 1;
    if (input.value !== input.dataset.start) wanted.set(input.name, Number(input.value).toFixed(4));
  }
  const { kept, left, back } = await (await fetch(`/thresholds/count?${wanted}`)).json();
  $("#left").textContent = `${left.toLocaleString("en")} of ${kept.toLocaleString("en")} kept rows would stay`;
  $("#back").textContent = back ? `${back.toLocaleString("en")} rejected rows would pass these thresholds.` : "";
}

if ($("#sliders")) slide();
if (matchMedia("(max-width: 60rem)").matches && $(".filters")) $(".filters").open = false;
