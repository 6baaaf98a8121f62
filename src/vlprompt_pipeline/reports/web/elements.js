// Elements of HTML and of SVG, what is told of them on demand, and the marks of the methods.
const filled = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const make = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
// Names of datasets may be broken behind their underscores.
const breakable = text => text.split(/(?<=_)/).flatMap((part, index) => index ? [make("wbr"), part] : [part]);

const told = new WeakMap();
const telling = (element, lines) => { told.set(element, lines); return element; };
for (const kind of ["pointerover", "focusin", "click"]) {
  document.addEventListener(kind, event => {
    let element = event.target;
    while (element && !told.has(element)) element = element.parentElement;
    if (element) showTip(element.getBoundingClientRect(), told.get(element)());
    // A pointer that lies elsewhere does not silence what the keyboard asked for.
    else if (kind !== "pointerover" || !told.has(document.activeElement)) hideTip();
  });
}

const MARKS = {
  X: "M-4-2 L-2-4 0-2 2-4 4-2 2 0 4 2 2 4 0 2 -2 4 -4 2 -2 0Z",
  D: "M0-5 L5 0 0 5 -5 0Z",
  s: "M-4-4 H4 V4 H-4Z",
  "^": "M0-5 L4.6 3.6 H-4.6Z",
  v: "M0 5 L4.6-3.6 H-4.6Z",
  P: "M-1.6-4.6 H1.6 V-1.6 H4.6 V1.6 H1.6 V4.6 H-1.6 V1.6 H-4.6 V-1.6 H-1.6Z",
  o: "M-4.3 0 A4.3 4.3 0 1 1 4.3 0 A4.3 4.3 0 1 1 -4.3 0Z",
};
const colourOf = method => given.methods[method].colour;
const markOf = (method, x, y, hollow = false) => {
  const paint = hollow
    ? `fill:var(--paper);stroke:${colourOf(method)};stroke-width:1.6`
    : `fill:${colourOf(method)};stroke:var(--paper)`;
  const shape = MARKS[given.methods[method].marker];
  return draw("path", { d: shape, transform: `translate(${x} ${y})`, style: paint });
};
const pathOf = points => `M${points.map(point => point.join(" ")).join(" L")}`;
const lineOf = (x1, y1, x2, y2, style) => draw("path", { d: pathOf([[x1, y1], [x2, y2]]), class: style });
const textOf = (x, y, text, attributes = {}) => draw("text", { x, y, ...attributes }, text);
const shorten = (text, room) => {
  while (text.textContent.length > 2 && text.getComputedTextLength() > room) {
    text.textContent = `${text.textContent.slice(0, -2)}…`;
  }
};
const canvasOf = (width, height, label) =>
  draw("svg", { role: "img", "aria-label": label, viewBox: `0 0 ${width} ${height}`, width, height });
