// What is shown when, the address (#node=…, #asset=…), theme, print, and keys that hold everywhere.

const told = document.getElementById('told'); // for those who listen

function fill(children) {
  panel.replaceChildren(...children.filter((child) => child !== ''));
  panel.scrollTop = 0;
  told.textContent = `Details of ${panel.querySelector('.over')?.textContent} ${panel.querySelector('h3')?.textContent}, ${panel.querySelector('.states')?.innerText ?? ''}`;
}

/** `keep`: what a search marked stays marked. */
function show(node, { keep = false } = {}) {
  if (!keep && lit.nodes.size && !lit.nodes.has(node)) light([]);
  markBox(boxes[node.asset.number]);
  insideLists.get(chosenBox)?.show(node);
  fill(ofNode(node));
  remember(`#node=${encodeURIComponent(node.id)}`);
}

function showAsset(asset) {
  markBox(boxes[asset.number]);
  fill(ofAsset(asset));
  remember(`#asset=${encodeURIComponent(asset.key)}`);
}

function showFile(file) {
  markBox(rawBoxes.find((box) => file.node && Number(box.dataset.rawOf) === file.node.asset.number) ?? null);
  fill(ofFile(file));
}

function showValue(column, value) {
  const members = nodes.filter((node) => (node.identifiers[column]?.values || []).includes(value));
  light(members, [], value);
  markBox(null);
  fill(ofHits(columnWords(column), value, members));
  jump(graph);
}

/** To a partition: unfolded, marked, in sight. */
function reach(node, found = [node]) {
  light(found);
  if (node.asset.nodes.length > 1) unfold(boxes[node.asset.number], true).show(node);
  show(node, { keep: true });
  jump(boxes[node.asset.number]);
}

function reachFile(file, found = [file]) {
  light(found.map((each) => each.node).filter(Boolean), found);
  showFile(file);
  const box = chosenBox;
  if (box) unfold(box, true).show(file);
  jump(box ?? graph);
}

function jump(target) {
  target.scrollIntoView({ block: target === graph ? 'start' : 'center', inline: 'center' });
  if (target !== graph) target.querySelector('.choose').focus({ preventScroll: true });
}

// -- the address ------------------------------------------------------------------------------------------------------

const remember = (hash) => { if (location.hash !== hash) history.replaceState(null, '', hash); };

function follow() {
  const [, kind, text] = location.hash.match(/^#(node|asset)=(.+)$/) || [];
  if (!kind) return;
  const wanted = decodeURIComponent(text);
  const node = kind === 'node' ? byRecord.get(wanted) : null;
  const asset = kind === 'asset' ? assets.find((each) => each.key === wanted) : null;
  if (node) {
    if (node.asset.nodes.length > 1) unfold(boxes[node.asset.number], true);
    show(node);
  } else if (asset) asset.nodes.length === 1 ? show(asset.nodes[0]) : showAsset(asset);
  if (chosenBox) jump(chosenBox);
}

addEventListener('hashchange', follow);
document.addEventListener('click', (event) => {
  const link_ = event.target.closest?.('a[href^="#node="], a[href^="#asset="]');
  if (link_ && link_.getAttribute('href') === location.hash) follow(); // the same one again
});

for (const button of document.querySelectorAll('.more')) {
  button.addEventListener('click', () => {
    const rest = button.dataset.findings.split(' ').map((place_) => findings[Number(place_)]);
    const made = list({
      items: rest, height: 12, label: 'findings', words: ({ node, message }) => `${node ? node.key : ''} ${message}`,
      draw: ({ node, message }) => [element('span', { class: 'grow', title: message }, node ? `${node.key}: ${message}` : message)],
      choose: ({ node }) => { if (node) { location.hash = `#node=${encodeURIComponent(node.id)}`; } },
    });
    button.replaceWith(made.root);
    made.focus();
  });
}

// -- theme ------------------------------------------------------------------------------------------------------------

const THEMES = ['system', 'light', 'dark'];
const themeButton = document.getElementById('theme');
const kept = { // a page opened from a file may have no storage
  read() { try { return localStorage.getItem('audit-theme'); } catch { return null; } },
  write(theme) { try { localStorage.setItem('audit-theme', theme); } catch { /* it lasts as long as the page */ } },
};

function setTheme(theme) {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  themeButton.textContent = `Theme: ${theme}`;
}

themeButton.addEventListener('click', () => {
  const now = document.documentElement.dataset.theme || 'system';
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  setTheme(next);
  kept.write(next);
});
setTheme(THEMES.includes(kept.read()) ? kept.read() : 'system');

// -- print ------------------------------------------------------------------------------------------------------------

const PRINTED_WIDTH = 660; // of a page of A4
const PRINTED_HEIGHT = 900;
const PRINTED_FILES = 300;

addEventListener('beforeprint', () => {
  for (const fold of document.querySelectorAll('details')) { fold.dataset.was = fold.open ? 'open' : ''; fold.open = true; }
  graph.classList.add('printing');
  drawEdges();
  graph.style.zoom = Math.max(0.4, Math.min(1, PRINTED_WIDTH / graph.offsetWidth, PRINTED_HEIGHT / graph.offsetHeight));
  const table = element('table', { id: 'printed-files' },
    element('thead', {}, element('tr', {}, ...['File', 'Size', 'SHA-256'].map((name) => element('th', {}, name)))),
    element('tbody', {}, ...rawFiles.slice(0, PRINTED_FILES).map((file) => element('tr', {},
      element('td', {}, file.path), element('td', { class: 'number' }, bytes(file.size)), element('td', {}, element('code', { class: 'digest' }, file.sha256))))));
  rawList.hidden = true;
  rawRoot.append(table, rawFiles.length > PRINTED_FILES ? element('p', { id: 'printed-rest' }, `and ${number(rawFiles.length - PRINTED_FILES)} more, which the page on screen lists`) : '');
});
addEventListener('afterprint', () => {
  for (const fold of document.querySelectorAll('details')) fold.open = fold.dataset.was === 'open';
  graph.style.zoom = '';
  graph.classList.remove('printing');
  drawEdges();
  document.getElementById('printed-files')?.remove();
  document.getElementById('printed-rest')?.remove();
  rawList.hidden = false;
});
document.getElementById('print').addEventListener('click', () => print());

// -- everywhere -------------------------------------------------------------------------------------------------------

const rawRoot = document.getElementById('raw-files');
const rawList = rawFiles.length
  ? fileList(rawFiles, { label: 'raw files', choose: (file) => { light(file.node ? [file.node] : [], [file]); showFile(file); jump(chosenBox ?? graph); }, height: 12, isHit: (file) => lit.files.has(file) }).root
  : element('p', { class: 'none' }, 'No raw file is known of.');
rawRoot.append(rawList);

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, textarea');
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    input.focus();
    input.select();
    event.preventDefault();
  } else if (event.key === 'Escape' && panel.contains(event.target) && chosenBox) chosenBox.querySelector('.choose').focus();
  else if (event.key === 'Escape' && lit.nodes.size) light([]);
});

new ResizeObserver(drawEdges).observe(graph);
const model = nodes[packed.model.node];
fill(ofNode(model));
markBox(boxes[model.asset.number]);
follow();
document.documentElement.dataset.ready = 'true';
