// Point at a figure: the nearest value is marked and told. Press a name in a legend: its series goes.
for (const figure of document.querySelectorAll("figure[data-places]")) {
  const svg = figure.querySelector("svg");
  const points = JSON.parse(document.getElementById(figure.dataset.places).textContent);
  const hidden = new Set();
  const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  dot.setAttribute("r", 4);
  dot.setAttribute("class", "dot");
  svg.append(dot);

  const leave = () => { hideTip(); dot.style.visibility = "hidden"; };
  const show = event => {
    const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
    const scale = view.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let best = null, least = 30 ** 2;
    for (const point of points) {
      const distance = (point[0] - x) ** 2 + (point[1] - y) ** 2;
      if (distance < least && !hidden.has(point[2])) [best, least] = [point, distance];
    }
    if (!best) return leave();
    dot.setAttribute("cx", best[0]);
    dot.setAttribute("cy", best[1]);
    dot.style.visibility = "visible";
    showTip(dot.getBoundingClientRect(), [best[3]]);
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", leave);
  leave();

  const numbers = new Set([...svg.querySelectorAll("[class^=legend-]")].map(e => +e.classList[0].slice(7)));
  for (const number of numbers) {
    const names = svg.querySelectorAll(`.legend-${number}`);
    const toggle = () => {
      hidden.has(number) ? hidden.delete(number) : hidden.add(number);
      for (const part of svg.querySelectorAll(`.series-${number}`)) {
        part.style.display = hidden.has(number) ? "none" : "";
      }
      for (const part of names) part.style.opacity = hidden.has(number) ? 0.35 : 1;
      names[names.length - 1].setAttribute("aria-pressed", !hidden.has(number));
      leave();
    };
    for (const part of names) {
      part.style.cursor = "pointer";
      part.addEventListener("click", toggle);
    }
    const button = names[names.length - 1];
    button.setAttribute("role", "button");
    button.setAttribute("tabindex", 0);
    button.setAttribute("aria-pressed", true);
    button.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(); }
    });
  }
}
