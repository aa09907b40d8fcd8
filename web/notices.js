// What the page says in words: a line of status, and an error with what to do about it.

export class Notices {
  #status;
  #box;
  #message;
  #hint;

  /** nodes: status, errorBox, errorMessage, errorHint, errorClose. */
  constructor(nodes) {
    this.#status = nodes.status;
    this.#box = nodes.errorBox;
    this.#message = nodes.errorMessage;
    this.#hint = nodes.errorHint;
    nodes.errorClose.addEventListener("click", () => this.clear());
  }

  say(text) {
    if (this.#status.textContent !== text) this.#status.textContent = text; // equal text would be read out again
  }

  clear() { this.#box.hidden = true; }

  fail(error) {
    this.#box.hidden = false;
    this.#message.textContent = error.message || "Something went wrong.";
    this.#hint.textContent = error.hint ?? "";
    this.#hint.hidden = !error.hint;
    this.say("");
  }
}
