// The report as objects, and the few helpers that everything else is written with.
// All text goes through textContent: nothing that a file or a check is called can become markup.

const packed = JSON.parse(document.getElementById('data').textContent);
const assets = packed.assets.map((key, number) => ({ key, number, nodes: [], readers: new Set() }));
const pooled = new Set(packed.nodes.pooled);
const nodes = packed.nodes.rows.map((row, number) => {
  const node = { number, readers: [] };
  packed.nodes.columns.forEach((name, place) => {
    node[name] = pooled.has(name) ? packed.pool[row[place]] : row[place];
  });
  node.asset = assets[node.asset];
  node.asset.nodes.push(node);
  node.key = node.partition === null ? node.asset.key : `${node.asset.key}:${node.partition}`;
  return node;
});
for (const node of nodes) {
  node.files = node.files.map(([path, sha256, size]) => ({ path: packed.pool[path], sha256, size, of: node }));
  for (const [column, found] of Object.entries(node.identifiers)) {
    if (typeof found === 'string') node.identifiers[column] = { error: found, count: 0, values: null };
    else node.identifiers[column] = { count: found[0], values: found[1] === null ? null : packed.pool[found[1]] };
  }
  node.missing = node.inputs.filter((input) => typeof input === 'string');
  node.inputs = node.inputs.filter((input) => typeof input === 'number').map((input) => nodes[input]);
  for (const input of node.inputs) input.readers.push(node);
}
const rawFiles = packed.raw_files.map(([path, sha256, size, owner], number) => (
  { number, path, sha256, size, node: owner === null ? null : nodes[owner] }
));
const findings = packed.findings.map(([severity, kind, message, remedy, owner]) => (
  { severity, kind, message, remedy, node: owner === null ? null : nodes[owner] }
));
const byRecord = new Map(nodes.map((node) => [node.id, node]));

const number = (value) => value.toLocaleString('en-US');
const several = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
const short = (digest) => digest.slice(0, 12);
const bytes = (size) => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let place = 0;
  while (size >= 1000 && place < 4) { size /= 1000; place += 1; }
  return `${place ? size.toFixed(1) : size} ${units[place]}`;
};
const moment = (text) => (text ? text.replace('T', ' ').replace(/:\d\d(\.\d+)?(Z|\+00:00)$/, ' UTC') : '');

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name === 'class') made.className = value;
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
  return made;
}

function icon(level) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', `icon ${level}`);
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#icon-${level}`);
  svg.append(use);
  return svg;
}

const stateWords = (node) => node.states.map((state) => packed.states[state][1]);
// What is found and marked, without what is well.
const troubles = (node) => node.states.filter((state) => !['passed', 'unchecked'].includes(packed.states[state][0]));
