// What the user asks for: reads the form and checks it before the server has to.

const MAX_CHARACTERS = 5000; // the server's own limit, in code points

export class SpeechForm {
  #nodes;
  #voices;

  /** nodes: form, text, count, speed, speedValue, priority. voices: the VoicePicker. */
  constructor(nodes, voices) {
    this.#nodes = nodes;
    this.#voices = voices;
    nodes.text.addEventListener("input", () => this.#showCount());
    nodes.speed.addEventListener("input", () => this.#showSpeed());
    this.#showCount();
    this.#showSpeed(); // a browser may bring back what was set before a reload
  }

  /** What the server is sent. */
  get fields() {
    const { text, speed, priority } = this.#nodes;
    return {
      text: text.value,
      speed: Number(speed.value),
      ...this.#voices.choice,
      ...(priority.value ? { priority: priority.value } : {}), // else the server chooses
    };
  }

  /** What must be changed first, in words, or null. Moves the focus there. */
  findProblem() {
    const problem = this.#problem();
    if (problem) this.#nodes.text.focus();
    return problem;
  }

  #problem() {
    const count = this.#showCount();
    if (this.#nodes.text.value.trim() === "") {
      return { message: "There is nothing to say yet.", hint: "Write some text first." };
    }
    if (count <= MAX_CHARACTERS) return null;
    return {
      message: `The text has ${count} characters; ${MAX_CHARACTERS} is the limit.`,
      hint: "Shorten it or speak it in parts.",
    };
  }

  #showCount() {
    const count = [...this.#nodes.text.value].length;
    this.#nodes.count.textContent = `${count} / ${MAX_CHARACTERS}`;
    this.#nodes.count.classList.toggle("over", count > MAX_CHARACTERS);
    return count;
  }

  #showSpeed() { this.#nodes.speedValue.textContent = `${Number(this.#nodes.speed.value).toFixed(2)}×`; }
}
