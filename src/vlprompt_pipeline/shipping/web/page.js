// The page: drop photos, see labels.

import { decide, ready } from "./classify.js";

const SHOWN = 3; // labels of a photo
const drop = document.getElementById("drop");
const list = document.getElementById("results");
const state = document.getElementById("state");

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

async function show(file, { labels }) {
  const item = element("article");
  const picture = element("img");
  picture.alt = file.name;
  picture.src = URL.createObjectURL(file);
  const text = element("div");
  text.append(element("h2", file.name));
  item.append(picture, text);
  list.prepend(item);
  try {
    text.append(verdict(await decide(file), labels));
  } catch (error) {
    text.append(element("p", `This file cannot be read as a picture (${error.message}).`, "none"));
  }
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

ready.then(
  ({ labels, model }) => {
    state.textContent = `${model.title}: ${labels.length} labels. Photos stay on this machine.`;
    document.body.dataset.ready = "yes";
  },
  (error) => {
    state.textContent = `The model cannot be loaded (${error.message}): serve this folder over HTTP.`;
  },
);
