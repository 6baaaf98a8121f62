// The page: drop photos, see labels.

import { conclude, logitsOf, pointOf, ready } from "./classify.js";

const SHOWN = 3; // labels of a photo
const ACCURACIES = [0.8, 0.9, 0.95, 0.99]; // that may be asked for, where a threshold has them
const drop = document.getElementById("drop");
const list = document.getElementById("results");
const state = document.getElementById("state");
const wanted = document.getElementById("accuracy");
const percent = (share) => `${(100 * share).toFixed(0)} %`;
const labelled = []; // what draws the labels of each photo again

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function verdict({ scores, accepted, possible }, labels) {
  const best = scores.map((score, index) => ({ score, label: labels[index] }));
  best.sort((a, b) => b.score - a.score);
  const lines = best.slice(0, SHOWN).map(({ score, label }) => {
    const line = element("li");
    const bar = element("span", undefined, "bar");
    bar.style.width = `${100 * score}%`;
    line.append(bar, element("b", label), element("span", `${(100 * score).toFixed(1)} %`));
    return line;
  });
  const group = element("ol");
  group.append(...lines);
  if (!accepted) group.prepend(element("li", "none of these", "none"));
  else if (possible) {
    const names = labels.filter((_, index) => possible[index]);
    group.append(element("li", `may be: ${names.join(", ")}`, "set"));
  }
  return group;
}

async function show(file, { labels, model }) {
  const item = element("article");
  const picture = element("img");
  picture.alt = file.name;
  picture.src = URL.createObjectURL(file);
  const text = element("div");
  text.append(element("h2", file.name));
  item.append(picture, text);
  list.prepend(item);
  try {
    const logits = await logitsOf(file);
    let drawn = element("ol");
    text.append(drawn);
    const draw = () => {
      const made = verdict(conclude(logits, chosenRejection(model)), labels);
      drawn.replaceWith(made);
      drawn = made;
    };
    draw();
    labelled.push(draw);
  } catch (error) {
    text.append(element("p", `This file cannot be read as a picture (${error.message}).`, "none"));
  }
}

// The model's rejection, at the threshold of the accuracy that is chosen on the page.
function chosenRejection({ rejection }) {
  const point = wanted.value && pointOf(rejection, Number(wanted.value));
  return point ? { ...rejection, threshold: point.threshold } : rejection;
}

function offerAccuracies({ rejection }) {
  const points = ACCURACIES.map((share) => [share, pointOf(rejection, share)]);
  const reached = points.filter(([, point]) => point);
  if (!reached.length) return;
  wanted.append(new Option("as the model was calibrated", ""));
  for (const [share, { accepted }] of reached) {
    const text = `${percent(share)}, which names ${percent(accepted)} of photos of these labels`;
    wanted.append(new Option(text, share));
  }
  document.getElementById("wanted").hidden = false;
}

async function label(files) {
  const loaded = await ready;
  for (const file of files) await show(file, loaded); // one after the other: one thread computes
}

drop.addEventListener("change", (event) => label(event.target.files));
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => event.preventDefault());
}
document.addEventListener("drop", (event) => label(event.dataTransfer.files));

wanted.addEventListener("change", () => labelled.forEach((draw) => draw()));

ready.then(
  ({ labels, model }) => {
    offerAccuracies(model);
    state.textContent = `${model.title}: ${labels.length} labels. Photos stay on this machine.`;
    document.body.dataset.ready = "yes";
  },
  (error) => {
    state.textContent = `The model cannot be loaded (${error.message}): serve this folder over HTTP.`;
  },
);
