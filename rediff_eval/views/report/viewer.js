"use strict";
// Gallery and trace viewer. Texts are only ever set as text.
const { runs } = JSON.parse(document.getElementById("data").textContent);
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

function gallery() {
  const place = document.getElementById("gallery");
  for (const run of runs) {
    for (const sample of run.samples) {
      const rows = Object.entries(sample.answers).map(([number, answer]) => make("tr", {},
        make("td", { text: cellName(run.cells[number]) }),
        answer.error === undefined
          ? make("td", { text: answer.text + (answer.truncated ? " … (no end)" : "") })
          : make("td", { class: "missing", text: `failed: ${answer.error}` })));
      const references = make("details", {}, make("summary", { text: `${sample.references.length} references` }));
      for (const reference of sample.references) references.append(make("p", { text: reference }));
      const head = [make("h3", { text: sample.id }), ...asked(sample)];
      if (sample.references.length) head.push(references);
      place.append(make("article", { class: "sample" },
        make("div", {}, picture(sample)),
        make("div", {}, ...head, make("table", {}, make("tbody", {}, ...rows)))));
    }
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

function viewer() {
  const traced = [];
  runs.forEach((run, r) => run.samples.forEach((sample, s) => {
    const cells = Object.keys(sample.answers).filter((n) => sample.answers[n].trace);
    if (cells.length) traced.push({ run: r, sample: s, cells });
  }));
  if (!traced.length) return;
  const find = (id) => document.getElementById(`trace-${id}`);
  const [sampleBox, cellBox, slider, words, step, play, counts, image, question] =
    ["sample", "cell", "slider", "words", "step", "play", "counts", "picture", "asked"].map(find);
  document.getElementById("viewer").hidden = false;
  traced.forEach((entry, i) => sampleBox.append(
    make("option", { value: i, text: runs[entry.run].samples[entry.sample].id })));
  let states = [], answer = null, timer = null;

  function chooseSample() {
    const entry = traced[sampleBox.value], run = runs[entry.run], kept = cellBox.value;
    cellBox.replaceChildren(...entry.cells.map((n) => make("option", { value: n, text: cellName(run.cells[n]) })));
    const best = entry.cells.find((n) => n === kept)
      || entry.cells.reduce((a, b) => (changes(entry, b) > changes(entry, a) ? b : a));
    cellBox.value = best;
    image.src = run.samples[entry.sample].picture;
    image.alt = `picture ${clean(run.samples[entry.sample].id)}`;
    question.replaceChildren(...asked(run.samples[entry.sample]));
    chooseCell();
  }

  function changes(entry, n) {
    const { revisions } = runs[entry.run].samples[entry.sample].answers[n];
    return revisions ? revisions.revisions : 0;
  }

  function chooseCell() {
    const entry = traced[sampleBox.value];
    answer = runs[entry.run].samples[entry.sample].answers[cellBox.value];
    states = replay(answer.trace);
    slider.max = states.length;
    slider.value = 0;
    draw();
  }

  function draw() {
    const now = Number(slider.value), { trace } = answer;
    const state = now === 0 ? Array.from({ length: trace.length }, () => ({ word: null })) : states[now - 1];
    step.value = `${now} of ${states.length}`;
    slider.setAttribute("aria-valuetext", step.value);
    words.replaceChildren();
    for (const [place, { word, confidence, kind }] of state.entries()) {
      if (word !== null && word.startsWith("<|")) { words.append(make("span", { class: "word", text: "■" })); break; }
      const classes = ["word", word === null ? "masked" : kind || "still"];
      if (word !== null && trace.truth && trace.truth[place] !== word) classes.push("wrong");
      const node = make("span", { class: classes.join(" "), text: word === null ? "░" : word });
      if (confidence !== undefined && confidence !== null) node.title = `confidence ${confidence}`;
      words.append(node, " ");
    }
    const { revisions: r } = answer;
    counts.textContent = r
      ? `${r.revisions} words revised, ${r.flips} of them back to an earlier word`
        + (r.fixed === null || r.fixed === undefined ? "" : `; ${r.fixed} made right, ${r.broken} made wrong`)
      : "";
  }

  function toggle() {
    if (timer !== null) { clearInterval(timer); timer = null; play.textContent = "play"; return; }
    if (slider.value === slider.max) slider.value = 0;
    play.textContent = "pause";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      draw();
      if (slider.value === slider.max) toggle();
    }, 250);
  }

  sampleBox.addEventListener("change", chooseSample);
  cellBox.addEventListener("change", chooseCell);
  slider.addEventListener("input", draw);
  slider.addEventListener("keydown", (event) => {
    if (event.key === " ") { event.preventDefault(); toggle(); }
  });
  play.addEventListener("click", toggle);
  chooseSample();
}

gallery();
viewer();
