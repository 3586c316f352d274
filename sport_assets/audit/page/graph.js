// The boxes and the lines between them; unfolding partitions; what is marked as found.

const graph = document.querySelector('.graph');
const edges = graph.querySelector('.edges');
const boxes = assets.map((asset) => graph.querySelector(`.box[data-asset="${asset.number}"]`));
const rawBoxes = [...graph.querySelectorAll('.box.raw')];
// What a search marked: nodes, raw files, and the value itself.
const lit = { nodes: new Set(), files: new Set(), value: null };
const isHit = (node) => lit.nodes.has(node);

// -- lines ------------------------------------------------------------------------------------------------------------

const pairsOfBoxes = [];
for (const asset of assets) {
  const ups = new Set(asset.nodes.flatMap((node) => node.inputs.map((input) => input.asset)));
  ups.delete(asset);
  for (const up of ups) pairsOfBoxes.push([boxes[up.number], boxes[asset.number], String(up.number)]);
}
for (const box of rawBoxes) pairsOfBoxes.push([box, boxes[box.dataset.rawOf], box.dataset.box]);
const rowOf = (box) => rowsOfGraph.indexOf(box.closest('.row'));
const rowsOfGraph = [...graph.querySelectorAll('.row')];

function place(element_) {
  // offsets do not change with the zoom that print uses
  const left = element_.offsetLeft;
  const top = element_.offsetTop;
  return { left, top, right: left + element_.offsetWidth, bottom: top + element_.offsetHeight, middle: left + element_.offsetWidth / 2, width: element_.offsetWidth };
}

function drawEdges() {
  if (graph.style.zoom) return; // in print they stay as they were drawn
  const routes = pairsOfBoxes.map(([from, to, lane]) => {
    const stops = [];
    for (let row = rowOf(from) + 1; row < rowOf(to); row += 1) {
      const passed = rowsOfGraph[row].querySelector(`[data-lane="${lane}"]`);
      if (passed) stops.push(place(passed));
    }
    return { from, to, stops, start: place(from), end: place(to) };
  });
  // lines into one box arrive side by side, in the order they come from
  const arrivals = new Map();
  for (const route of routes) arrivals.set(route.to, [...(arrivals.get(route.to) || []), route]);
  for (const [, into] of arrivals) {
    const comes = (route) => (route.stops.at(-1) || route.start).middle;
    into.sort((a, b) => comes(a) - comes(b));
    const step = Math.min(26, into[0].end.width * 0.6 / into.length);
    into.forEach((route, nth) => { route.port = route.end.middle + (nth - (into.length - 1) / 2) * step; });
  }
  const drawn = routes.map(({ from, to, stops, start, end, port }) => {
    let [x, y] = [start.middle, start.bottom];
    let path = `M${x} ${y}`;
    const curve = (nextX, nextY) => {
      const half = (nextY - y) / 2;
      path += `C${x} ${y + half} ${nextX} ${nextY - half} ${nextX} ${nextY}`;
      [x, y] = [nextX, nextY];
    };
    // a row may be taller than this box, which then leaves at its row's end
    const rowEnd = from.closest('.row').offsetTop + from.closest('.row').offsetHeight;
    if (rowEnd > y) { path += `L${x} ${rowEnd}`; y = rowEnd; }
    for (const stop of stops) {
      curve(stop.middle, stop.top);
      path += `L${stop.middle} ${stop.bottom}`;
      y = stop.bottom;
    }
    curve(port, end.top - 1);
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    const near = chosenBox !== null && (from === chosenBox || to === chosenBox);
    line.setAttribute('d', path);
    line.setAttribute('marker-end', near ? 'url(#arrow-near)' : 'url(#arrow)');
    if (near) line.setAttribute('class', 'near');
    return line;
  });
  drawn.sort((a, b) => a.classList.contains('near') - b.classList.contains('near'));
  for (const old of edges.querySelectorAll(':scope > path')) old.remove();
  edges.append(...drawn);
}

// -- folding ----------------------------------------------------------------------------------------------------------

const insideLists = new Map();

function unfold(box, open) {
  const button = box.querySelector('.expand');
  const inside = box.querySelector('.inside');
  if (!button) return null;
  if (open && !insideLists.has(box)) {
    const owner = assets[box.dataset.asset ?? box.dataset.rawOf];
    const made = box.dataset.asset !== undefined
      ? nodeList(owner.nodes, { label: `partitions of ${owner.key}`, choose: (node) => show(node), isHit })
      : fileList(rawFiles.filter((file) => file.node && file.node.asset === owner), { label: `raw files of ${owner.key}`, choose: (file) => showFile(file), isHit: (file) => lit.files.has(file), height: 7 });
    insideLists.set(box, made);
    inside.append(made.root);
  }
  button.setAttribute('aria-expanded', String(open));
  inside.hidden = !open;
  box.classList.toggle('open', open);
  const made = insideLists.get(box);
  if (open) made.repaint();
  drawEdges();
  return made;
}

const isOpen = (box) => box.classList.contains('open');

// -- choosing and marking ---------------------------------------------------------------------------------------------

let chosenBox = null;

function markBox(box) {
  if (chosenBox) { chosenBox.classList.remove('chosen'); chosenBox.querySelector('.choose').removeAttribute('aria-current'); }
  chosenBox = box;
  if (box) { box.classList.add('chosen'); box.querySelector('.choose').setAttribute('aria-current', 'true'); }
  drawEdges();
}

function light(hitNodes, hitFiles = [], value = null) {
  lit.nodes = new Set(hitNodes);
  lit.files = new Set(hitFiles);
  lit.value = value;
  for (const asset of assets) tell(boxes[asset.number], asset.nodes.filter(isHit).length, asset.nodes.length);
  for (const box of rawBoxes) tell(box, hitFiles.filter((file) => file.node && file.node.asset.number === Number(box.dataset.rawOf)).length, 2);
  for (const made of insideLists.values()) made.repaint();
  drawEdges();
}

function tell(box, count, of) {
  const told = box.querySelector('.hits');
  box.classList.toggle('hit', count > 0);
  told.hidden = count === 0;
  told.textContent = count === 0 ? '' : of === 1 ? 'found here' : `${number(count)} found here`;
}

// -- keys -------------------------------------------------------------------------------------------------------------

/** The nearest box in the next row, or the next one in the same. */
function neighbour(box, key) {
  const own = place(box);
  if (key === 'ArrowLeft' || key === 'ArrowRight') {
    const same = [...box.closest('.row').querySelectorAll('.box')];
    return same[same.indexOf(box) + (key === 'ArrowRight' ? 1 : -1)];
  }
  const step = key === 'ArrowDown' ? 1 : -1;
  const row = rowsOfGraph[rowOf(box) + step];
  return row && [...row.querySelectorAll('.box')].sort((a, b) => Math.abs(place(a).middle - own.middle) - Math.abs(place(b).middle - own.middle))[0];
}

graph.addEventListener('keydown', (event) => {
  const box = event.target.closest('.box');
  if (!box) return;
  if (event.key === 'Escape' && event.target.closest('.inside')) {
    unfold(box, false);
    box.querySelector('.expand').focus();
    event.stopPropagation();
  } else if (event.key.startsWith('Arrow') && !event.target.closest('.inside')) {
    const next = neighbour(box, event.key);
    if (next) next.querySelector('.choose').focus();
    event.preventDefault();
  }
});

graph.addEventListener('click', (event) => {
  const box = event.target.closest('.box');
  if (!box || event.target.closest('.inside')) return;
  if (event.target.closest('.expand')) {
    const made = unfold(box, !isOpen(box));
    // from the keyboard one goes on in the list
    if (isOpen(box) && event.detail === 0) made.focus();
  } else if (event.target.closest('.choose')) {
    const asset = assets[box.dataset.asset];
    if (box === chosenBox && event.detail === 0) { panel.focus(); return; } // Enter, a second time
    if (asset.nodes.length === 1) show(asset.nodes[0]);
    else showAsset(asset);
  }
});
