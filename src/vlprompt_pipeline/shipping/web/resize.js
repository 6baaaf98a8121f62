// Resize as Pillow does: antialiased, in whole numbers, rows first, rounded in between.
// A browser's own scaling differs from it by many levels, and so would the scores.

const BITS = 22; // of the fraction of a weight: 32, less 8 of a level and 2 for overshoot
const HALF = 2 ** (BITS - 1);
const A = -0.5; // of the bicubic kernel

function bicubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * A;
  return 0;
}

// By Pillow's name: a kernel, and how far from its middle it reaches.
const FILTERS = {
  bicubic: { kernel: bicubic, reach: 2 },
  bilinear: { kernel: (distance) => Math.max(0, 1 - Math.abs(distance)), reach: 1 },
};

// First source pixel and integer weights of each target pixel along one axis.
function weights(source, target, { kernel, reach }) {
  const scale = source / target;
  const stretch = Math.max(scale, 1);
  const support = reach * stretch;
  return Array.from({ length: target }, (_, index) => {
    const center = (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const last = Math.min(source, Math.trunc(center + support + 0.5));
    const raw = [];
    for (let x = first; x < last; x++) raw.push(kernel((x - center + 0.5) / stretch));
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    const whole = raw.map((weight) => {
      const scaled = (weight / total) * 2 ** BITS;
      return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    });
    return { first, whole };
  });
}

function level(sum) {
  return Math.min(255, Math.max(0, Math.floor(sum / 2 ** BITS)));
}

// `pixels` are RGB, row by row; returns the same form.
export function resize(pixels, width, height, newWidth, newHeight, filter) {
  const how = FILTERS[filter];
  let rows = pixels;
  if (newWidth !== width) {
    rows = new Uint8Array(newWidth * height * 3);
    weights(width, newWidth, how).forEach(({ first, whole }, x) => {
      for (let y = 0; y < height; y++) {
        for (let channel = 0; channel < 3; channel++) {
          let sum = HALF;
          let at = (y * width + first) * 3 + channel;
          for (let k = 0; k < whole.length; k++, at += 3) sum += pixels[at] * whole[k];
          rows[(y * newWidth + x) * 3 + channel] = level(sum);
        }
      }
    });
  }
  if (newHeight === height) return rows;
  const stride = newWidth * 3;
  const result = new Uint8Array(stride * newHeight);
  weights(height, newHeight, how).forEach(({ first, whole }, y) => {
    for (let x = 0; x < stride; x++) {
      let sum = HALF;
      let at = first * stride + x;
      for (let k = 0; k < whole.length; k++, at += stride) sum += rows[at] * whole[k];
      result[y * stride + x] = level(sum);
    }
  });
  return result;
}
