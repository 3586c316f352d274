// Lists of any length: only the rows in sight are in the document. Filter above, arrow keys, Enter chooses.

const ROW = 28;
const FILTER_FROM = 12;

/** `items`: what is listed; `draw`: item -> children of its row; `words`: item -> text to filter by and to read out. */
function list({ items, draw, words, choose, label, height = 9, isHit = () => false }) {
  const id = `list-${(list.count = (list.count || 0) + 1)}`;
  const spacer = element('div');
  const view = element('div', { class: 'window', role: 'listbox', tabindex: '0', 'aria-label': label }, spacer);
  const left = element('p', { class: 'left', 'aria-live': 'polite' });
  const root = element('div', { class: 'list' });
  let shown = items;
  let active = -1;

  const filter = element('input', { type: 'text', placeholder: 'Filter', 'aria-label': `Filter ${label}`, spellcheck: 'false', oninput: () => {
    const wanted = filter.value.trim().toLowerCase();
    shown = wanted ? items.filter((item) => words(item).toLowerCase().includes(wanted)) : items;
    active = -1;
    view.scrollTop = 0;
    layout();
  } });

  function layout() {
    spacer.style.height = `${shown.length * ROW}px`;
    view.style.height = `${Math.min(shown.length, height) * ROW}px`;
    left.textContent = shown.length === items.length ? '' : `${number(shown.length)} of ${number(items.length)}`;
    left.hidden = !left.textContent;
    paint();
  }

  function paint() {
    const first = Math.max(0, Math.floor(view.scrollTop / ROW) - 4);
    const last = Math.min(shown.length, first + height + 9);
    const rows = [];
    for (let place = first; place < last; place += 1) {
      const row = element('div', {
        role: 'option', id: `${id}-${place}`, class: isHit(shown[place]) ? 'hit' : null, 'aria-label': words(shown[place]),
        'aria-selected': place === active ? 'true' : 'false', 'aria-setsize': shown.length, 'aria-posinset': place + 1,
        onclick: () => { active = place; paint(); choose(shown[place]); },
      }, ...draw(shown[place]));
      row.style.top = `${place * ROW}px`;
      rows.push(row);
    }
    spacer.replaceChildren(...rows);
    if (active >= first && active < last) view.setAttribute('aria-activedescendant', `${id}-${active}`);
    else view.removeAttribute('aria-activedescendant');
  }

  function reveal(place) {
    active = Math.max(0, Math.min(shown.length - 1, place));
    const top = active * ROW;
    const room = Math.min(shown.length, height) * ROW;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + ROW > view.scrollTop + room) view.scrollTop = top + ROW - room;
    paint();
  }

  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: height, PageUp: -height, Home: -Infinity, End: Infinity };
  view.addEventListener('scroll', paint, { passive: true });
  view.addEventListener('keydown', (event) => {
    if (event.key in steps && shown.length) reveal(active + steps[event.key] < 0 ? 0 : Math.min(shown.length - 1, active + steps[event.key]));
    else if ((event.key === 'Enter' || event.key === ' ') && active >= 0) choose(shown[active]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  if (items.length > FILTER_FROM) root.append(filter);
  root.append(view, left);
  layout();
  return {
    root,
    repaint: paint,
    focus: () => { if (active < 0 && shown.length) active = 0; paint(); view.focus({ preventScroll: true }); },
    show: (item) => { const place = shown.indexOf(item); if (place >= 0) reveal(place); },
  };
}

const nodeWords = (node) => `${node.partition ?? node.asset.key} ${stateWords(node).join(', ')}`;

/** Partitions of one asset, or nodes of several (`named` by asset then). */
function nodeList(members, { named = false, ...rest }) {
  return list({
    items: members,
    words: (node) => (named ? `${node.key} ${stateWords(node).join(', ')}` : nodeWords(node)),
    draw: (node) => [
      icon(node.level),
      element('span', { class: 'grow' }, named ? node.key : node.partition ?? short(node.version)),
      element('small', {}, [
        node.rows === null ? '' : several(node.rows, 'row'),
        node.quarantined_rows ? `${number(node.quarantined_rows)} quarantined` : '',
      ].filter(Boolean).join(' · ')),
    ],
    ...rest,
  });
}

function fileList(files, rest) {
  return list({
    items: files,
    words: (file) => `${file.path} ${file.sha256}`,
    draw: (file) => [
      element('span', { class: 'grow', title: file.path }, file.path),
      element('small', {}, bytes(file.size)),
      element('code', { title: file.sha256 }, short(file.sha256)),
    ],
    ...rest,
  });
}
