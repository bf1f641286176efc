// Asks the server for captions, keeps the steps as they come, and shows any of them.
"use strict";

const $ = (id) => document.getElementById(id);
const state = { picture: null, scene: null, panes: [], step: 0, follow: true, timer: null };
const BESIDE = "";
const DELAY = 140; // milliseconds between played steps

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function headers() {
  const key = $("key").value;
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

function say(text, bad = false) {
  $("note").textContent = text;
  $("note").classList.toggle("bad", bad);
}

async function problem(reply) {
  try {
    return (await reply.json()).error.message;
  } catch {
    return `the server answered ${reply.status}`;
  }
}

async function choices() {
  const reply = await fetch("live/choices", { headers: headers() });
  if (reply.status === 401) {
    $("secret").hidden = false;
    say("this server wants a key");
    return;
  }
  const { models, samplers } = await reply.json();
  fill($("first"), models, samplers, false);
  fill($("second"), models, samplers, true);
  say("");
  const linked = location.hash.match(/^#scene=(\d+)$/); // a link to the N-th test scene
  if (linked) await loadScene(Number(linked[1]));
  else if (!state.picture) await drawScene();
}

function fill(place, models, samplers, optional) {
  const model = element("select", { name: "model", ariaLabel: "Model" });
  if (optional) model.append(element("option", { value: BESIDE, textContent: "nothing" }));
  for (const one of models) model.append(element("option", { value: one.name, textContent: one.name }));
  const sampler = element("select", { name: "sampler", ariaLabel: "Sampler" });
  const steps = element("input", { name: "steps", type: "number", min: 1, ariaLabel: "Steps" });
  const row = [
    element("label", { textContent: "Sampler" }, sampler),
    element("label", { textContent: "Steps" }, steps),
  ];
  const update = () => {
    const chosen = models.find((one) => one.name === model.value);
    for (const part of row) part.hidden = !chosen;
    if (!chosen) return;
    row[0].hidden = !chosen.sampler;
    row[1].hidden = !chosen.takes_steps;
    sampler.replaceChildren(
      ...samplers.map((name) => element("option", { value: name, textContent: name })),
    );
    if (chosen.sampler && !samplers.includes(chosen.sampler)) {
      sampler.prepend(element("option", { value: chosen.sampler, textContent: chosen.sampler }));
    }
    sampler.value = chosen.sampler ?? "";
    steps.max = chosen.length ?? 4096;
    steps.value = Math.max(1, Math.round((chosen.length ?? 80) / 4));
  };
  model.addEventListener("change", update);
  place.replaceChildren(place.querySelector("legend"), model, ...row);
  update();
}

function asked(place) {
  const [model, sampler, steps] = ["model", "sampler", "steps"].map((name) =>
    place.querySelector(`[name=${name}]`),
  );
  if (!model || model.value === BESIDE) return null;
  const body = { model: model.value };
  if (!sampler.parentElement.hidden) body.sampler = sampler.value;
  if (!steps.parentElement.hidden) body.steps = Number(steps.value);
  return body;
}

function show(picture, scene) {
  state.picture = picture;
  state.scene = scene;
  $("shown").src = picture;
  $("shown").hidden = false;
  $("hint").hidden = true;
}

async function drawScene() {
  await loadScene(Math.floor(Math.random() * 500));
}

async function loadScene(number) {
  const reply = await fetch(`live/scene/${number}`, { headers: headers() });
  if (!reply.ok) return say(await problem(reply), true);
  show((await reply.json()).picture, number);
}

function open(file) {
  if (!file) return;
  const reader = new FileReader();
  reader.addEventListener("load", () => show(reader.result, null));
  reader.readAsDataURL(file);
}

async function* events(reply) {
  const decoder = new TextDecoder();
  const reader = reply.body.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield JSON.parse(part.slice(6));
  }
}

async function write(body, pane) {
  const url = { type: "image_url", image_url: { url: state.picture } };
  const text = { type: "text", text: $("question").value || $("question").placeholder };
  const content = { ...body, messages: [{ role: "user", content: [url, text] }] };
  if (state.scene !== null) content.scene = state.scene;
  const reply = await fetch("live/caption", {
    method: "POST",
    headers: headers(),
    body: JSON.stringify(content),
  });
  if (!reply.ok) throw new Error(await problem(reply));
  for await (const event of events(reply)) {
    if (event.error) throw new Error(event.error.message);
    if (event.words) pane.steps.push(event);
    else pane.end = event;
    refresh();
  }
}

function refresh() {
  const last = Math.max(0, ...state.panes.map((pane) => pane.steps.length - 1));
  $("step").max = last;
  if (state.follow) state.step = last;
  $("step").value = state.step;
  $("at").textContent = `step ${state.step + 1} of ${last + 1}`;
  for (const pane of state.panes) render(pane);
}

function render(pane) {
  const at = Math.min(state.step, pane.steps.length - 1);
  const step = pane.steps[at];
  const final = pane.end && at === pane.steps.length - 1;
  const words = step ? step.words.flatMap((word, place) => (word === "" ? [] : [spell(step, word, place, final && pane.end.wrong), " "])) : [];
  const whole = pane.end && !step ? [document.createTextNode(pane.end.text)] : words;
  pane.place.replaceChildren(...whole);
  pane.note.textContent = pane.end ? `${pane.end.passes ?? "?"} forward passes, ${pane.end.seconds} s` : "writing";
}

function spell(step, word, place, wrong) {
  const made = element("span", { className: "word", textContent: word === null ? "·" : word });
  if (word === null) made.classList.add("masked");
  else {
    made.title = `probability ${step.confidence[place]}`;
    made.style.opacity = 0.45 + 0.55 * step.confidence[place];
  }
  if (step.written.includes(place) && word !== null) made.classList.add("written");
  if (step.revised.includes(place)) made.classList.add("revised");
  if (wrong && wrong.includes(place)) made.classList.add("wrong");
  return made;
}

function pane(body) {
  const title = [body.model, body.sampler, body.steps && `${body.steps} steps`].filter(Boolean).join(", ");
  const place = element("div", { className: "words" });
  const note = element("p");
  $("panes").append(element("div", { className: "pane" }, element("h2", { textContent: title }), place, note));
  return { place, note, steps: [], end: null };
}

async function go(event) {
  event.preventDefault();
  if ($("first").querySelector("select") === null) return choices();
  if (!state.picture) return say("choose a picture first", true);
  stop();
  const bodies = [asked($("first")), asked($("second"))].filter(Boolean);
  $("panes").replaceChildren();
  Object.assign(state, { panes: bodies.map(pane), step: 0, follow: true });
  $("player").hidden = false;
  $("go").disabled = true;
  say("");
  const done = await Promise.allSettled(bodies.map((body, i) => write(body, state.panes[i])));
  $("go").disabled = false;
  done.forEach((result, i) => {
    if (result.status === "rejected") {
      state.panes[i].note.textContent = result.reason.message;
      say(result.reason.message, true);
    }
  });
}

function stop() {
  clearInterval(state.timer);
  state.timer = null;
  $("play").textContent = "Play";
}

function play() {
  if (state.timer) return stop();
  state.follow = false;
  if (state.step >= Number($("step").max)) state.step = -1;
  $("play").textContent = "Pause";
  const next = () => {
    if (state.step >= Number($("step").max)) return stop();
    state.step += 1;
    refresh();
  };
  next();
  state.timer = setInterval(next, DELAY);
}

$("ask").addEventListener("submit", go);
$("draw").addEventListener("click", drawScene);
$("file").addEventListener("change", () => open($("file").files[0]));
$("play").addEventListener("click", play);
$("step").addEventListener("input", () => {
  stop();
  state.follow = false;
  state.step = Number($("step").value);
  refresh();
});
$("drop").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") $("file").click();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") open(event.dataTransfer.files[0]);
  });
}
choices();
