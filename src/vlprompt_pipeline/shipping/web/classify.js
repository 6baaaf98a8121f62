// Decode a picture, prepare it as the model was evaluated, and score it. Nothing leaves the page.

import * as ort from "./ort.wasm.bundle.min.mjs";
import { resize } from "./resize.js";

ort.env.wasm.numThreads = 1; // more need headers that a plain file server does not send
ort.env.wasm.wasmPaths = { wasm: new URL("./ort-wasm-simd-threaded.wasm", import.meta.url).href };

const root = new URL("../", import.meta.url);
const read = async (name) => (await fetch(new URL(name, root))).json();

export const ready = (async () => {
  const [how, labels, model] = await Promise.all(
    ["preprocessing.json", "labels.json", "model.json"].map(read),
  );
  const graph = new URL(`onnx/${model.web_graph}`, root).href;
  const session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
  return { how, labels, model, session };
})();

// RGB of a file at its own size, held upright where the model was evaluated so.
async function decode(blob, how) {
  const bitmap = await createImageBitmap(blob, {
    imageOrientation: how.decoding === "as_seen" ? "from-image" : "none",
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (how.decoding === "as_seen") {
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    rgb[to++] = data[from];
    rgb[to++] = data[from + 1];
    rgb[to++] = data[from + 2];
  }
  return { rgb, width, height };
}

// Python rounds halves to the even neighbour.
function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

function newSize(width, height, how) {
  const [high, wide] = how.size;
  if (how.resize_mode === "squash") return [wide, high];
  return width <= height
    ? [wide, Math.trunc((wide * height) / width)]
    : [Math.trunc((high * width) / height), high];
}

// Planes of normalised numbers, [3, height, width], of the centre of the resized picture.
function prepare({ rgb, width, height }, how) {
  const [wide, high] = newSize(width, height, how);
  const resized = resize(rgb, width, height, wide, high, how.filter);
  const [rows, columns] = how.size;
  const round = how.crop_offset === "down" ? Math.floor : roundHalfEven;
  const top = round((high - rows) / 2);
  const left = round((wide - columns) / 2);
  const planes = new Float32Array(3 * rows * columns);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const value = resized[((top + y) * wide + left + x) * 3 + channel];
        planes[(channel * rows + y) * columns + x] =
          (value / 255 - how.mean[channel]) / how.std[channel];
      }
    }
  }
  return planes;
}

function softmax(logits, temperature = 1) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp((logit - most) / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

// Whether the picture looks like one of the labels at all; without a rejection it always does.
function accepts(logits, rejection) {
  if (!rejection) return true;
  const scores = softmax(logits);
  if (rejection.kind !== "energy") return Math.max(...scores) >= rejection.threshold;
  const most = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  return most + Math.log(sum) >= rejection.threshold;
}

// Which labels cannot be ruled out, of conformal sets; null where the rejection has no sets.
function possible(logits, rejection) {
  if (!rejection || rejection.kind !== "conformal") return null;
  return softmax(logits).map((score) => score >= rejection.threshold);
}

// The point of the lowest threshold with a wanted accuracy; undefined where none has it.
export function pointOf(rejection, wanted) {
  return rejection?.operating_points.find(({ accuracy }) => accuracy >= wanted);
}

// Scores in the order of labels.json, whether it is one of them, and which it may be.
export function conclude(logits, rejection) {
  return {
    scores: softmax(logits, rejection ? rejection.temperature : 1),
    accepted: accepts(logits, rejection),
    possible: possible(logits, rejection),
  };
}

export async function logitsOf(blob) {
  const { how, session } = await ready;
  const planes = prepare(await decode(blob, how), how);
  const tensor = new ort.Tensor("float32", planes, [1, 3, ...how.size]);
  return (await session.run({ pixel_values: tensor }, ["logits"])).logits.data;
}
