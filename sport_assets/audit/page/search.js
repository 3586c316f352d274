// Finds assets, partitions, files, digests and what rows are about (games, players, videos), and marks them.

const input = document.getElementById('search');
const found = document.getElementById('found');
const PER_KIND = 7;
let index = null;
let options = [];
let activeOption = -1;

function buildIndex() {
  const values = new Map();
  for (const node of nodes) {
    for (const [column, own] of Object.entries(node.identifiers)) {
      for (const value of own.values || []) {
        const name = `${column}\n${value}`;
        if (!values.has(name)) values.set(name, { column, value, nodes: [] });
        values.get(name).nodes.push(node);
      }
    }
  }
  const versions = new Map();
  const add = (text, what) => { if (text) versions.set(text, [...(versions.get(text) || []), what]); };
  for (const node of nodes) {
    add(node.version, node);
    for (const file of node.files) add(file.sha256, file);
  }
  for (const file of rawFiles) add(file.sha256, file);
  return { values: [...values.values()], versions: [...versions], files: nodes.flatMap((node) => node.files) };
}

/** Groups of what matches: the closest first in each, with how many there are in all. */
function matches(query) {
  index ??= buildIndex();
  const wanted = query.toLowerCase();
  const groups = [];
  const group = (kind, all) => { if (all.length) groups.push({ kind, all }); };
  const rank = (text) => { const at = text.toLowerCase().indexOf(wanted); return at < 0 ? -1 : text.length - wanted.length + (at ? 1000 : 0); };
  const ranked = (things, text) => things.map((thing) => [rank(text(thing)), thing]).filter(([score]) => score >= 0).sort((a, b) => a[0] - b[0]).map(([, thing]) => thing);

  const values = index.values.filter(({ value }) => value.toLowerCase().startsWith(wanted)).sort((a, b) => a.value.length - b.value.length);
  for (const column of new Set(values.map((value) => value.column))) {
    group(columnWords(column), values.filter((value) => value.column === column).map((value) => (
      { text: value.value, note: `in ${several(value.nodes.length, 'version')}`, go: () => showValue(column, value.value) })));
  }
  group('Asset', ranked(assets, (asset) => asset.key).map((asset) => (
    { text: asset.key, note: several(asset.nodes.length, 'version'), go: () => { light(asset.nodes); asset.nodes.length === 1 ? show(asset.nodes[0], { keep: true }) : showAsset(asset); jump(boxes[asset.number]); } })));
  // to one of them, and all that were found are marked
  const partitions = ranked(nodes.filter((node) => node.partition !== null), (node) => node.key);
  group('Partition', partitions.map((node) => (
    { text: node.key, note: stateWords(node).join(', '), go: () => reach(node, partitions) })));
  const files = ranked(rawFiles, (file) => file.path);
  group('Raw file', files.map((file) => (
    { text: file.path, note: bytes(file.size), go: () => reachFile(file, files) })));
  group('File', ranked(index.files, (file) => file.path).map((file) => ({ text: file.path, note: file.of.key, go: () => reach(file.of) })));
  if (/^[0-9a-f]{4,64}$/.test(wanted)) {
    group('Digest', index.versions.filter(([text]) => text.startsWith(wanted)).flatMap(([text, things]) => things.map((thing) => ({
      text: `${text.slice(0, Math.max(16, wanted.length))}…`,
      note: thing.of ? `${thing.path} of ${thing.of.key}` : thing.path ?? thing.key,
      go: () => { if (thing.of) reach(thing.of); else if (thing.path) reachFile(thing); else reach(thing); },
    }))));
  }
  return groups;
}

function suggest() {
  const query = input.value.trim();
  options = [];
  activeOption = -1;
  found.replaceChildren();
  if (!query) { close(); light([]); return; }
  for (const { kind, all } of matches(query)) {
    const box = element('div', { role: 'group', 'aria-label': kind }, element('p', { class: 'kind', 'aria-hidden': 'true' },
      all.length > PER_KIND ? `${kind}: the closest ${PER_KIND} of ${number(all.length)}` : kind));
    for (const option of all.slice(0, PER_KIND)) {
      const place_ = options.push(option) - 1;
      box.append(element('div', { role: 'option', id: `option-${place_}`, 'aria-selected': 'false', onmousedown: (event) => { event.preventDefault(); take(place_); } },
        element('b', {}, option.text), element('small', {}, option.note)));
    }
    found.append(box);
  }
  if (!options.length) found.append(element('p', { class: 'empty' }, `Nothing here is called ${query}. Digests need four digits or more.`));
  found.hidden = false;
  input.setAttribute('aria-expanded', 'true');
  if (options.length) activate(0);
}

function activate(place_) {
  found.querySelector('[aria-selected="true"]')?.setAttribute('aria-selected', 'false');
  activeOption = (place_ + options.length) % options.length;
  const option = document.getElementById(`option-${activeOption}`);
  option.setAttribute('aria-selected', 'true');
  option.scrollIntoView({ block: 'nearest' });
  input.setAttribute('aria-activedescendant', option.id);
}

function take(place_) {
  const option = options[place_];
  close();
  option.go();
}

function close() {
  found.hidden = true;
  input.setAttribute('aria-expanded', 'false');
  input.removeAttribute('aria-activedescendant');
}

input.addEventListener('input', suggest);
input.addEventListener('focus', () => { if (input.value.trim()) suggest(); });
input.addEventListener('blur', close);
input.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowDown' && options.length && !found.hidden) activate(activeOption + 1);
  else if (event.key === 'ArrowUp' && options.length && !found.hidden) activate(activeOption - 1);
  else if (event.key === 'Enter' && activeOption >= 0 && !found.hidden) take(activeOption);
  else if (event.key === 'Escape') {
    if (found.hidden) input.blur();
    input.value = '';
    suggest();
  } else return;
  event.preventDefault();
  event.stopPropagation();
});
