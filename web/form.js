// What the user asks for: reads the form and checks it before the server has to.

const MAX_CHARACTERS = 5000; // the server's own limit, in code points

export class SpeechForm {
  #nodes;
  #voices;
  #recording;
  #portraits;
  #options;

  /**
   * nodes: form, asAvatar, asVideo, fromVoice, fromRecording, text, count, speed, speedValue, priority, and the rows
   * that only some of these need. pickers: voices, recording, portraits, and the options of a video.
   */
  constructor(nodes, { voices, recording, portraits, options }) {
    this.#nodes = nodes;
    this.#voices = voices;
    this.#recording = recording;
    this.#portraits = portraits;
    this.#options = options;
    for (const choice of [nodes.fromVoice, nodes.fromRecording]) choice.addEventListener("change", () => this.#showSource());
    for (const choice of [nodes.asAvatar, nodes.asVideo]) choice.addEventListener("change", () => this.#showSight());
    nodes.text.addEventListener("input", () => this.#showCount());
    nodes.speed.addEventListener("input", () => this.#showSpeed());
    this.#showCount();
    this.#showSpeed(); // a browser may bring back what was set before a reload
    this.#showSource();
    this.#showSight();
  }

  /** Whether a video is made, in place of an animation of the avatar. */
  get isVideo() { return this.#nodes.asVideo.checked; }

  /** Whether a recording is heard, in place of a voice. */
  get isRecorded() { return this.#nodes.fromRecording.checked; }

  /** What the server is sent. */
  get fields() {
    const { text, speed, priority } = this.#nodes;
    const isGiven = !this.isRecorded || text.value.trim() !== "";
    return {
      ...(isGiven ? { text: text.value } : {}),
      ...(this.isRecorded ? this.#recording.choice : { speed: Number(speed.value), ...this.#voices.choice }),
      ...(this.isVideo ? { ...this.#portraits.choice, ...this.#options.fields } : {}),
      ...(priority.value ? { priority: priority.value } : {}), // else the server chooses
    };
  }

  /** Sends once more what the server has forgotten of it; whether there was anything to send. */
  async sendAgain() {
    const sent = this.isRecorded && await this.#recording.again();
    return (this.isVideo && await this.#portraits.again()) || sent;
  }

  /** What must be changed first, in words, or null. Moves the focus there. */
  findProblem() {
    const problem = this.#problem();
    if (problem) (problem.where ?? this.#nodes.text).focus();
    return problem;
  }

  #problem() {
    const count = this.#showCount();
    if (this.isVideo && this.#portraits.problem) return { ...this.#portraits.problem, where: this.#nodes.choosePicture };
    if (this.isRecorded && !this.#recording.ready) return this.#missingRecording();
    if (!this.isRecorded && this.#nodes.text.value.trim() === "") {
      return { message: "There is nothing to say yet.", hint: "Write some text first." };
    }
    if (count <= MAX_CHARACTERS) return null;
    return {
      message: `The text has ${count} characters; ${MAX_CHARACTERS} is the limit.`,
      hint: "Shorten it or speak it in parts.",
    };
  }

  #missingRecording() {
    const where = this.#nodes.chooseRecording;
    if (this.#recording.busy) return { message: "The recording is not there yet.", hint: "Wait until it has been sent.", where };
    return { message: "There is no recording yet.", hint: "Choose a file, or record one.", where };
  }

  #showSource() {
    const { recording, languageRow, voiceRow, speakerRow, speedRow, text, textLabel, speakLabel } = this.#nodes;
    const recorded = this.isRecorded;
    recording.hidden = languageRow.hidden = !recorded;
    voiceRow.hidden = speedRow.hidden = recorded;
    if (recorded) speakerRow.hidden = true;
    else this.#voices.showSpeakers();
    textLabel.textContent = recorded ? "What is said in it (if you know)" : "Text";
    text.placeholder = recorded ? "Known words make better lips." : "What should the avatar say?";
    speakLabel.textContent = this.action;
    // The greeting is for a voice: nobody says it in a recording.
    if (recorded && text.value === text.defaultValue) text.value = "";
    else if (!recorded && text.value === "") text.value = text.defaultValue;
    this.#showCount();
  }

  #showSight() {
    const { portrait, videoOptions, speakLabel } = this.#nodes;
    portrait.hidden = videoOptions.hidden = !this.isVideo;
    speakLabel.textContent = this.action;
  }

  /** What the button does. */
  get action() {
    if (this.isVideo) return "Make video";
    return this.isRecorded ? "Animate" : "Speak";
  }

  #showCount() {
    const count = [...this.#nodes.text.value].length;
    this.#nodes.count.textContent = `${count} / ${MAX_CHARACTERS}`;
    this.#nodes.count.classList.toggle("over", count > MAX_CHARACTERS);
    return count;
  }

  #showSpeed() { this.#nodes.speedValue.textContent = `${Number(this.#nodes.speed.value).toFixed(2)}×`; }
}
