// What is told of a figure on demand: lines beside a box of the window, the first a heading.
const tip = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
tip.setAttribute("role", "status");
document.body.append(tip);
const hideTip = () => { tip.hidden = true; };
const showTip = (box, [heading, ...lines]) => {
  const element = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  tip.replaceChildren(element("strong", heading), ...lines.map(line => element("div", line)));
  tip.hidden = false;
  const view = document.documentElement.clientWidth;
  const left = Math.max(8, Math.min(box.left + box.width / 2 - tip.offsetWidth / 2, view - tip.offsetWidth - 8));
  const above = box.top - tip.offsetHeight - 8;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${(above > 0 ? above : box.bottom + 8) + scrollY}px`;
};
document.addEventListener("keydown", event => { if (event.key === "Escape") hideTip(); });
