// Making parts of the page.

/** A new element with properties and children; text is only ever set as text. */
export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}
