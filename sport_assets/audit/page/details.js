// The panel beside the graph: everything that is known of what was chosen.

const panel = document.getElementById('details');
const SOME = 12;

/** `pills`: [level, words] of each state. */
const title = (over, text, pills = []) => [
  element('p', { class: 'over' }, over),
  element('h3', {}, text),
  element('p', { class: 'states' }, ...pills.map(([level, words]) => element('span', { class: `pill ${level}` }, icon(level), words))),
];
const pairs = (rows) => element('dl', { class: 'pairs' }, ...rows
  .filter(([, value]) => value !== null && value !== undefined && value !== '')
  .flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
const section = (name, ...children) => [element('h4', {}, name), ...children];
const digest = (text) => element('code', {}, text);
const json = (value) => element('pre', { tabindex: '0' }, JSON.stringify(value, null, 1).replace(/^[{[]\n|\n[}\]]$/g, ''));
const link = (node, text = node.key) => element('a', { href: `#node=${encodeURIComponent(node.id)}` }, text);
const columnWords = (column) => column.split(',').map((name) => name.replace(/_id$/, '').replaceAll('_', ' ')).join(', ');
const filled = (value) => value && typeof value === 'object' && Object.keys(value).length > 0;

/** The first of many links, and the rest when asked for. */
function links(members) {
  const few = (some) => element('div', { class: 'links' }, ...some.map((node) => link(node)));
  if (members.length <= SOME) return [few(members)];
  return [nodeList(members, { named: true, label: 'assets and partitions', choose: (node) => show(node), height: 7 }).root];
}

const files = (some, choose) => (some.length > SOME
  ? fileList(some, { label: 'files', choose, height: 6 }).root
  : element('ul', { class: 'files' }, ...some.map((file) => element('li', {}, `${file.path} `, element('small', {}, bytes(file.size)), element('code', { class: 'digest' }, file.sha256)))));

function verdict(node, [what, passed, failed, checked, by, reason, rules]) {
  const [name, description, blocking] = packed.checks[what];
  const level = passed ? 'passed' : by || !blocking ? 'warning' : 'error';
  const word = passed ? 'passed' : by ? 'failed, overridden' : blocking ? 'failed' : 'warns';
  const told = passed && !failed ? (checked ? `${number(checked)} checked` : '') : `${number(failed)} of ${number(checked)}`;
  return element('li', {},
    icon(level),
    element('span', {}, `${name} `, element('small', {}, word)),
    element('small', {}, told),
    description ? element('p', {}, description) : '',
    filled(rules) ? element('p', {}, Object.entries(rules).map(([rule, count]) => `${rule}: ${number(count)}`).join(', ')) : '',
    by ? element('p', {}, `Overridden by ${by}: ${reason}`) : '');
}

function identifiers(found) {
  return Object.entries(found).flatMap(([column, { count, values, error }]) => section(
    `${columnWords(column)} (${number(count)})`,
    values ? list({ items: values, words: (value) => value, draw: (value) => [element('span', { class: 'grow' }, value)],
      choose: (value) => showValue(column, value), label: column, height: 5, isHit: (value) => lit.value === value }).root
      : element('p', { class: 'hint' }, error ?? `Too many to list here. To look one up: sport-assets impact ${column.split(',').map((name) => `--row ${name}=…`).join(' ')}`),
  ));
}

function ofNode(node) {
  const marks = [];
  if (node.withdrawn) {
    const rows = Object.entries(node.withdrawn.rows || {}).map(([column, value]) => `${column}=${value}`).join(', ');
    marks.push(element('p', { class: 'error' }, `${rows ? `Rows with ${rows} withdrawn` : 'Withdrawn'} by ${node.withdrawn.by ?? 'unknown'}${node.withdrawn.at ? `, ${moment(node.withdrawn.at)}` : ''}: ${node.withdrawn.reason ?? ''}`));
  }
  if (node.newer_version) marks.push(element('p', {}, 'Stale: a newer version exists, ', digest(short(node.newer_version))));
  for (const place of node.findings) {
    const { severity, message, remedy } = findings[place];
    marks.push(element('p', { class: severity }, message, remedy ? element('small', {}, ` ${remedy}`) : ''));
  }
  const raw = node.raw_files.map((file) => (typeof file === 'number' ? rawFiles[file] : { path: file, sha256: '', size: 0, node }));
  const inputs = node.missing.length ? [element('p', { class: 'hint' }, `Not in the records here: ${node.missing.join(', ')}`)] : [];
  return [
    ...title(node.asset.key, node.partition ?? short(node.version), node.states.map((state) => packed.states[state])),
    marks.length ? element('div', { class: 'marks' }, ...marks) : '',
    pairs([
      ['Version', digest(node.version)],
      ['Rows', node.rows === null ? null : number(node.rows)],
      ['Quarantined', node.quarantined_rows ? several(node.quarantined_rows, 'row') : 'none'],
      ['Published', moment(node.at)],
      ['Record', node.at ? digest(node.id) : null],
      ['Code version', node.code_version ? digest(node.code_version) : null],
      ['Seed', node.seed === null || node.seed === undefined ? null : String(node.seed)],
      ['Device', node.device],
      ['Commit', node.git_commit ? element('span', {}, digest(short(node.git_commit)), node.git_dirty ? ', and the working tree differed' : '') : null],
    ]),
    ...(node.checks.length ? section(`Checks (${node.checks.length})`, element('ul', { class: 'checks' }, ...node.checks.map((check) => verdict(node, check)))) : []),
    ...(node.inputs.length || node.missing.length ? section(`Made from (${number(node.inputs.length + node.missing.length)})`, ...(node.inputs.length ? links(node.inputs) : []), ...inputs) : []),
    ...(raw.length ? section(`Raw files (${number(raw.length)})`, files(raw, (file) => showFile(file))) : []),
    ...(node.files.length ? section(`Files (${number(node.files.length)})`, files(node.files, () => {})) : []),
    ...(node.readers.length ? section(`Read by (${number(node.readers.length)})`, ...links(node.readers)) : []),
    ...(filled(node.identifiers) ? identifiers(node.identifiers) : []),
    ...(filled(node.config) ? section('Configuration', json(node.config)) : []),
    ...(filled(node.facts) ? section('Facts', json(node.facts)) : []),
    ...packed.more.filter((name) => (filled(node[name]) || ['string', 'number'].includes(typeof node[name])))
      .flatMap((name) => section(name.replaceAll('_', ' '), typeof node[name] === 'object' ? json(node[name]) : element('p', {}, String(node[name])))),
  ];
}

/** An asset whose partitions are folded: its checks and code over all of them, and the partitions to choose from. */
function ofAsset(asset) {
  const members = asset.nodes;
  const checks = new Map();
  for (const node of members) {
    for (const [what, passed, , , by] of node.checks) {
      const tally = checks.get(what) || { passed: 0, failed: 0, overridden: 0, first: null };
      tally[passed ? 'passed' : by ? 'overridden' : 'failed'] += 1;
      if (!passed && !tally.first) tally.first = node;
      checks.set(what, tally);
    }
  }
  const total = (name) => members.reduce((sum, node) => sum + (node[name] || 0), 0);
  const distinct = (name) => [...new Set(members.map((node) => node[name]))].filter(Boolean);
  const bad = members.filter((node) => troubles(node).length);
  const codes = distinct('code_version');
  const configs = distinct('config').filter(filled);
  const states = [...new Set((bad.length ? bad.flatMap(troubles) : members.flatMap((node) => node.states)))];
  return [
    ...title(asset.key.split('/')[0], asset.key.split('/').slice(1).join('/') || asset.key, states.map((state) => {
      const [level, word] = packed.states[state];
      return [level, `${number(members.filter((node) => node.states.includes(state)).length)} ${word}`];
    })),
    pairs([
      ['Partitions', number(new Set(members.map((node) => node.partition)).size)],
      ['Rows', members.some((node) => node.rows !== null) ? number(total('rows')) : null],
      ['Quarantined', total('quarantined_rows') ? several(total('quarantined_rows'), 'row') : 'none'],
      ['Raw files', members.some((node) => node.raw_files.length) ? number(members.reduce((sum, node) => sum + node.raw_files.length, 0)) : null],
      ['Code version', codes.length === 1 ? digest(codes[0]) : codes.length ? `${codes.length} different: ${codes.map(short).join(', ')}` : null],
    ]),
    ...section('Partitions', nodeList(members, { label: `partitions of ${asset.key}`, choose: (node) => show(node), height: 9, isHit }).root),
    ...(checks.size ? section('Checks', element('ul', { class: 'checks' }, ...[...checks].map(([what, tally]) => {
      const [name, description, blocking] = packed.checks[what];
      const level = tally.failed ? (blocking ? 'error' : 'warning') : tally.overridden ? 'warning' : 'passed';
      const words = [tally.failed ? `${number(tally.failed)} ${blocking ? 'failed' : 'warn'}` : '', tally.overridden ? `${number(tally.overridden)} overridden` : '', tally.passed ? `${number(tally.passed)} passed` : ''];
      return element('li', {}, icon(level), element('span', {}, name), element('small', {}, words.filter(Boolean).join(', ')),
        description ? element('p', {}, description) : '',
        tally.first ? element('p', {}, 'First: ', link(tally.first, tally.first.partition ?? tally.first.key)) : '');
    }))) : []),
    ...(configs.length === 1 ? section('Configuration', json(configs[0])) : configs.length ? section('Configuration', element('p', { class: 'hint' }, `${configs.length} different; see the partitions`)) : []),
  ];
}

function ofFile(file) {
  const above = new Set();
  const todo = file.node ? [file.node] : [];
  while (todo.length) {
    const node = todo.pop();
    if (!above.has(node)) { above.add(node); todo.push(...node.readers); }
  }
  const standing = nodes.filter((node) => above.has(node));
  return [
    ...title('Raw file', file.path),
    pairs([['SHA-256', file.sha256 ? digest(file.sha256) : null], ['Size', `${bytes(file.size)} (${number(file.size)} bytes)`]]),
    ...(standing.length ? section(`Stands on it (${number(standing.length)})`, ...links(standing)) : []),
  ];
}

const ofHits = (name, value, members) => [
  ...title(name, value),
  element('p', { class: 'hint' }, `In ${several(members.length, 'version')} of ${several(new Set(members.map((node) => node.asset)).size, 'asset')}; they are marked in the graph.`),
  ...section('Contained in', nodeList(members, { named: true, label: 'what contains it', choose: (node) => show(node, { keep: true }), height: 14 }).root),
];
