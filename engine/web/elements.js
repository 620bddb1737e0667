// Makes elements. Text from outside becomes text, never markup.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function byId(id) {
  return document.getElementById(id);
}

// Leaves a text that is the same alone, so that a screen reader does not read it again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function list(items) {
  return element('ul', {}, ...items.map((item) => element('li', {}, item)));
}
