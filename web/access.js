// The API key: kept in the browser, sent with every request, asked for when the server wants one.

const NAME = "avatar-serve-key";
// What a header can carry. At anything else fetch throws, which would look like a server that is away.
const SENDABLE = /^[\x21-\x7e]+$/;

/** Storage may be forbidden (embedded pages, strict settings): then the key lasts as long as the page. */
function quietly(action) {
  try {
    return action();
  } catch {
    return null;
  }
}

/** The key of this page. Fires "change" when it is another one, "refused" when the server wants one or another. */
class Access extends EventTarget {
  #key = quietly(() => sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME)) ?? "";

  get known() { return this.#key !== ""; }
  get headers() { return this.known ? { Authorization: `Bearer ${this.#key}` } : {}; }

  use(key, remember) {
    this.#key = key;
    quietly(() => { sessionStorage.removeItem(NAME); localStorage.removeItem(NAME); });
    if (key) quietly(() => (remember ? localStorage : sessionStorage).setItem(NAME, key));
    this.dispatchEvent(new Event("change"));
  }

  refuse() { this.dispatchEvent(new Event("refused")); }
}

export const access = new Access();

/** nodes: access (details), accessName, accessForm, apiKey, rememberKey, forgetKey, accessMessage. */
export function wireAccess(nodes) {
  const show = (message, failed = false) => {
    nodes.accessName.textContent = access.known ? "with an API key" : "without a key";
    nodes.forgetKey.hidden = !access.known;
    nodes.accessMessage.textContent = message;
    nodes.accessMessage.classList.toggle("failed", failed);
    nodes.apiKey.setAttribute("aria-invalid", String(failed));
  };
  nodes.accessForm.addEventListener("submit", (event) => {
    event.preventDefault();
    const key = nodes.apiKey.value.trim();
    if (!SENDABLE.test(key)) {
      show("A key has letters, digits and signs, and no spaces.", true);
      nodes.apiKey.focus();
      return;
    }
    access.use(key, nodes.rememberKey.checked);
    nodes.apiKey.value = "";
    show(nodes.rememberKey.checked ? "Kept in this browser until you forget it." : "Kept until this tab is closed.");
  });
  nodes.forgetKey.addEventListener("click", () => {
    access.use("", false);
    show("The key is forgotten.");
    nodes.apiKey.focus();
  });
  access.addEventListener("refused", () => {
    nodes.access.open = true;
    show(access.known ? "The server does not know this key." : "This server needs an API key.", true);
  });
  show("Only servers that ask for a key need one.");
}
