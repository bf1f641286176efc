"use strict";
// Gallery and trace viewer. Texts are only ever set as text.
let runs = [];
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const clean = (text) => text.replace(BIDI, "\ufffd");

function make(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") node.textContent = clean(value);
    else if (name === "class") node.className = value;
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

function cellName(cell) {
  return cell.steps === null ? cell.name : `${cell.name}, ${cell.steps} steps`;
}

const PAGE = 40; // samples of the gallery that are shown at once

// Scores of a sample, better is more.
function score(run, sample, number) {
  const value = sample.scores[number];
  return value === undefined ? NaN : run.lower ? -value : value;
}

function gallery() {
  const find = (id) => document.getElementById(`gallery-${id}`);
  const [place, order, against, search, count, more] = ["samples", "order", "against", "find", "count", "more"].map(find);
  const all = runs.flatMap((run, r) => run.samples.map((sample, s) => ({ run, sample, r, s })));
  const cells = runs.flatMap((run, r) => run.cells.map((cell, n) => ({ r, n, name: cellName(cell) })));
  const scored = cells.filter(({ r, n }) => runs[r].samples.some((sample) => n in sample.scores));
  order.append(make("option", { value: "", text: "as they come" }));
  for (const [i, cell] of scored.entries()) order.append(make("option", { value: i, text: `worst of ${cell.name}` }));
  against.append(make("option", { value: "", text: "nothing" }));
  for (const [i, cell] of scored.entries()) against.append(make("option", { value: i, text: cell.name }));
  order.parentElement.hidden = against.parentElement.hidden = !scored.length;
  let chosen = [], shown = 0;

  function key({ run, r, sample }) {
    const one = scored[order.value], other = scored[against.value];
    if (!one || r !== one.r) return Infinity;
    const value = score(run, sample, one.n) - (other ? score(run, sample, other.n) : 0);
    return Number.isNaN(value) ? Infinity : value;
  }

  function choose() {
    const wanted = search.value.toLowerCase();
    chosen = all.filter(({ sample }) => !wanted || sample.id.toLowerCase().includes(wanted)
      || Object.values(sample.answers).some((answer) => (answer.text || "").toLowerCase().includes(wanted)));
    if (order.value !== "") chosen = chosen.map((entry) => [key(entry), entry]).sort(([a], [b]) => a - b || 0).map(([, entry]) => entry);
    place.replaceChildren();
    shown = 0;
    show();
  }

  function show() {
    for (const entry of chosen.slice(shown, shown + PAGE)) place.append(article(entry));
    shown = Math.min(chosen.length, shown + PAGE);
    more.hidden = shown >= chosen.length;
    count.value = `${shown} of ${chosen.length} samples`;
  }

  for (const box of [order, against]) box.addEventListener("change", choose);
  search.addEventListener("input", choose);
  more.addEventListener("click", show);
  choose();
}

function article({ run, sample, r, s }) {
  const rows = Object.entries(sample.answers).map(([number, answer]) => row(run, sample, r, s, number, answer));
  const head = asked(sample);
  if (sample.references.length) {
    const references = make("details", {}, make("summary", { text: `${sample.references.length} references` }));
    for (const reference of sample.references) references.append(make("p", { text: reference }));
    head.push(references);
  }
  const folded = make("details", { class: "fold", open: true }, make("summary", {}, make("h3", { text: sample.id })),
    ...head, make("table", {}, make("tbody", {}, ...rows)));
  return make("article", { class: "sample" }, make("div", {}, picture(sample)), make("div", {}, folded));
}

function row(run, sample, r, s, number, answer) {
  const text = make("td", answer.error === undefined ? {} : { class: "missing", text: `failed: ${answer.error}` });
  if (answer.error === undefined) text.append(...marked(answer));
  const value = sample.scores[number];
  const made = make("tr", {}, make("td", { text: cellName(run.cells[number]) }), text,
    make("td", { class: "score", text: value === undefined ? "" : value.toFixed(3), title: run.main }));
  if (!answer.trace) return made;
  made.className = "open";
  made.tabIndex = 0;
  made.title = "show its steps";
  const open = () => openTrace(r, s, number);
  made.addEventListener("click", open);
  made.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
  return made;
}

// The caption; its false words where the truth is known.
function marked(answer) {
  const end = answer.truncated ? " … (no end)" : "";
  if (!answer.trace || !answer.trace.truth) return [clean(answer.text + end)];
  const words = replay(answer.trace).at(-1).map(({ word }) => word), parts = [];
  for (const [place, word] of words.entries()) {
    if (word === null || word.startsWith("<|")) break;
    const wrong = answer.trace.truth[place] !== word;
    if (place && !/^[.,;:!?]$/.test(word)) parts.push(" ");
    parts.push(wrong ? make("span", { class: "wrong", text: word }) : clean(word));
  }
  return [...parts, end];
}

function sorting() {
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.querySelectorAll("th")];
    heads.forEach((head, column) => {
      head.tabIndex = 0;
      const sort = () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (line) => {
          const text = line.cells[column].textContent, number = parseFloat(text);
          return Number.isNaN(number) ? text : number;
        };
        const lines = [...table.tBodies[0].rows].sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          const less = typeof x === typeof y ? (x < y ? -1 : x > y ? 1 : 0) : typeof x === "number" ? 1 : -1;
          return down ? -less : less;
        });
        table.tBodies[0].append(...lines);
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    });
  }
}

// What was asked of a sample alone, and said before, a line a turn.
function asked(sample) {
  return sample.said.map((text, i) => make("p", { class: i % 2 ? "said" : "asked", text }));
}

function picture(sample) {
  if (!sample.picture) return make("p", { class: "missing", text: "no picture" });
  return make("img", { src: sample.picture, alt: `picture ${clean(sample.id)}`, loading: "lazy" });
}

// The state of every place of a canvas after each step.
function replay(trace) {
  let words = Array.from({ length: trace.length }, () => ({ word: null, confidence: null, kind: null }));
  return trace.steps.map((changes) => {
    words = words.map((word) => ({ ...word, kind: null }));
    for (const [place, word, confidence, kind] of changes) {
      words[place] = { word, confidence, kind: mark(trace, place, words[place].word, word, kind) };
    }
    return words;
  });
}

function mark(trace, place, before, after, kind) {
  if (kind === "c") return "committed";
  if (!trace.truth) return "revised";
  const right = trace.truth[place];
  if (before !== right && after === right) return "fixed";
  if (before === right && after !== right) return "broken";
  return "revised";
}

let openTrace = () => {};

// Sample, cell, second cell and step of the trace viewer; all of them are in the page's address.
function viewer() {
  const traced = [];
  runs.forEach((run, r) => run.samples.forEach((sample, s) => {
    const cells = Object.keys(sample.answers).filter((n) => sample.answers[n].trace);
    if (cells.length) traced.push({ run, sample, r, s, cells });
  }));
  if (!traced.length) return;
  const find = (id) => document.getElementById(id);
  const [sampleBox, cellBox, otherBox, slider, words, step, play, counts, image, question] =
    ["sample", "cell", "other", "slider", "words", "step", "play", "counts", "picture", "asked"].map((id) => find(`trace-${id}`));
  find("viewer").hidden = false;
  traced.forEach((entry, i) => sampleBox.append(make("option", { value: i, text: entry.sample.id })));
  let timer = null;
  const panes = [
    { box: cellBox, words, counts, answer: null, states: [] },
    { box: otherBox, words: find("other-words"), counts: find("other-counts"), answer: null, states: [] },
  ];

  function choose(number, cell, other, at) {
    const entry = traced[number];
    sampleBox.value = number;
    const options = () => entry.cells.map((n) => make("option", { value: n, text: cellName(entry.run.cells[n]) }));
    cellBox.replaceChildren(...options());
    otherBox.replaceChildren(make("option", { value: "", text: "nothing" }), ...options());
    cellBox.value = entry.cells.includes(cell) ? cell : busiest(entry);
    otherBox.value = entry.cells.includes(other) ? other : "";
    image.src = entry.sample.picture;
    image.alt = `picture ${clean(entry.sample.id)}`;
    question.replaceChildren(...asked(entry.sample));
    for (const pane of panes) {
      pane.answer = pane.box.value === "" ? null : entry.sample.answers[pane.box.value];
      pane.states = pane.answer ? replay(pane.answer.trace) : [];
    }
    find("trace-second").hidden = !panes[1].answer;
    slider.max = Math.max(...panes.map((pane) => pane.states.length));
    slider.value = at;
    draw();
  }

  function busiest(entry) {
    const changes = (n) => entry.sample.answers[n].revisions?.revisions ?? 0;
    return entry.cells.reduce((a, b) => (changes(b) > changes(a) ? b : a));
  }

  // Where the best cell of the fastest budget gains most over the others there, at its last step.
  function telling() {
    let best = null;
    traced.forEach((entry, number) => {
      const cells = entry.cells.filter((n) => entry.run.cells[n].tokens !== null);
      const fastest = Math.max(...cells.map((n) => entry.run.cells[n].tokens));
      const there = cells.filter((n) => entry.run.cells[n].tokens === fastest);
      if (there.length < 2) return;
      const sign = entry.run.lower ? -1 : 1;
      const main = there.reduce((a, b) => (sign * entry.run.cells[b].mean > sign * entry.run.cells[a].mean ? b : a));
      for (const other of there.filter((n) => n !== main)) {
        const gain = score(entry.run, entry.sample, main) - score(entry.run, entry.sample, other);
        if (gain > (best?.gain ?? -Infinity)) best = { gain, number, cell: main, other };
      }
    });
    return best ?? { number: 0 };
  }

  function draw() {
    const now = Number(slider.value);
    step.value = `${now} of ${slider.max}`;
    slider.setAttribute("aria-valuetext", step.value);
    for (const pane of panes) if (pane.answer) drawPane(pane, Math.min(now, pane.states.length));
    const entry = traced[sampleBox.value];
    const place = new URLSearchParams({ run: entry.r, sample: entry.sample.id, cell: cellBox.value, step: now });
    if (otherBox.value !== "") place.set("other", otherBox.value);
    history.replaceState(null, "", `#${place}`);
  }

  function drawPane({ words, counts, answer, states }, now) {
    const { trace, revisions: r } = answer;
    const state = now === 0 ? Array.from({ length: trace.length }, () => ({ word: null })) : states[now - 1];
    words.replaceChildren();
    for (const [place, { word, confidence, kind }] of state.entries()) {
      if (word !== null && word.startsWith("<|")) { words.append(make("span", { class: "word", text: "■" })); break; }
      const classes = ["word", word === null ? "masked" : kind || "still"];
      if (word !== null && trace.truth && trace.truth[place] !== word) classes.push("wrong");
      const node = make("span", { class: classes.join(" "), text: word === null ? "░" : word });
      if (confidence !== undefined && confidence !== null) {
        node.title = `confidence ${confidence}`;
        node.style.opacity = 0.45 + 0.55 * confidence;
      }
      words.append(node, " ");
    }
    counts.textContent = r
      ? `${r.revisions} words revised, ${r.flips} of them back to an earlier word`
        + (r.fixed === null || r.fixed === undefined ? "" : `; ${r.fixed} made right, ${r.broken} made wrong`)
      : "";
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "play";
  }

  function toggle() {
    if (timer !== null) return stop();
    if (slider.value === slider.max) slider.value = 0;
    play.textContent = "pause";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      draw();
      if (slider.value === slider.max) stop();
    }, 250);
  }

  // What the address names; false if it names nothing that is here.
  function follow() {
    const place = new URLSearchParams(location.hash.slice(1));
    const number = traced.findIndex(({ r, sample }) =>
      sample.id === place.get("sample") && r === Number(place.get("run") ?? r));
    if (number < 0) return false;
    choose(number, place.get("cell"), place.get("other"), place.get("step") ?? Infinity);
    return true;
  }

  openTrace = (r, s, cell) => {
    const number = traced.findIndex((entry) => entry.r === r && entry.s === s);
    stop();
    choose(number, cell, "", 1e6);
    find("viewer").scrollIntoView();
  };
  sampleBox.addEventListener("change", () => choose(sampleBox.value, cellBox.value, otherBox.value, 0));
  for (const box of [cellBox, otherBox]) {
    box.addEventListener("change", () => choose(sampleBox.value, cellBox.value, otherBox.value, slider.value));
  }
  slider.addEventListener("input", draw);
  slider.addEventListener("keydown", (event) => {
    if (event.key === " ") { event.preventDefault(); toggle(); }
  });
  play.addEventListener("click", toggle);
  window.addEventListener("hashchange", follow);
  if (!follow()) {
    const { number, cell, other } = telling();
    choose(number, cell, other, 1e6);
  }
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(unpacked).text());
}

sorting();
unpack(document.getElementById("data").textContent).then((data) => {
  runs = data.runs;
  gallery();
  viewer();
  document.body.dataset.ready = "";
});
