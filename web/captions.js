// The spoken words, with the present one marked.

import { indexAt, wordAt } from "./cues.js";

export class Captions {
  #box;
  #words = [];
  #spans = [];
  #current = -1;
  #revealed = -1;

  /** onPick(ms): the user chose a word. */
  constructor(box, onPick) {
    this.#box = box;
    box.addEventListener("click", (event) => {
      const index = this.#spans.indexOf(event.target);
      if (index >= 0) onPick(this.#words[index].start_ms);
    });
  }

  get currentWord() { return this.#words[this.#current]?.text ?? null; }

  /** Shows the text as it was written; the words' offsets (in code points) say which parts of it light up. */
  show(text, words) {
    const letters = [...text];
    const parts = [];
    let written = 0;
    this.#words = words;
    this.#spans = words.map((word) => {
      const span = document.createElement("span");
      span.className = "word";
      span.textContent = letters.slice(word.start_char, word.end_char).join("") || word.text;
      parts.push(letters.slice(written, word.start_char).join(""), span);
      written = Math.max(written, word.end_char);
      return span;
    });
    this.#box.replaceChildren(...parts, letters.slice(written).join(""));
    this.#current = -1;
    this.#revealed = -1;
    this.#box.scrollTop = 0;
  }

  update(tMs) {
    const index = wordAt(this.#words, tMs);
    if (index !== this.#current) {
      this.#spans[this.#current]?.classList.remove("now");
      this.#spans[index]?.classList.add("now");
      this.#current = index;
    }
    this.#reveal(indexAt(this.#words, tMs, "start_ms")); // in a pause no word is marked, but its place is shown
  }

  /** Scrolls only this box: scrollIntoView would drag the whole page along on a phone. */
  #reveal(index) {
    if (index === this.#revealed) return;
    this.#revealed = index;
    const span = this.#spans[index];
    this.#box.scrollTop = span ? span.offsetTop + (span.offsetHeight - this.#box.clientHeight) / 2 : 0;
  }
}
