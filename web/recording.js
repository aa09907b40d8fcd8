// A recording in place of a voice: chosen, dropped or recorded; kept on the server under a name of its own.

import { acceptDrops } from "./drop.js";
import { Microphone } from "./microphone.js";
import { inSeconds } from "./result.js";
import { uploadRecording } from "./upload.js";

const KINDS = "WAV, MP3, OGG, FLAC, M4A or WebM";

/** As in "4.2 s, MP3, 44.1 kHz, stereo". */
function factsOf(found) {
  const channels = { 1: "mono", 2: "stereo" }[found.channels] ?? `${found.channels} channels`;
  return [
    `${inSeconds(found.duration_ms)} s`, found.container.toUpperCase(), `${found.sample_rate / 1000} kHz`, channels,
  ].join(", ");
}

export class RecordingPicker {
  #nodes;
  #notices;
  #microphone = new Microphone();
  #sent = null; // { blob, name, found }
  #sending = null; // AbortController
  #asking = false; // whether the microphone may be used
  #onChange;

  /**
   * nodes: recording and all in it. notices: says what goes wrong. onChange: hears that another one is there, or none.
   */
  constructor(nodes, notices, onChange) {
    this.#nodes = nodes;
    this.#notices = notices;
    this.#onChange = onChange;
    nodes.chooseRecording.addEventListener("click", () => nodes.recordingFile.click());
    nodes.recordingFile.addEventListener("change", () => {
      const [file] = nodes.recordingFile.files;
      nodes.recordingFile.value = ""; // the same file can be chosen again
      if (file) this.take(file, file.name);
    });
    nodes.record.addEventListener("click", () => this.#toggleMicrophone());
    nodes.removeRecording.addEventListener("click", () => this.clear());
    nodes.record.hidden = !Microphone.available;
    acceptDrops(nodes.recording, (file) => this.take(file, file.name));
    this.#show();
  }

  get ready() { return this.#sent !== null; }
  get busy() { return this.#sending !== null || this.#microphone.recording; }

  /** What a render asks for. */
  get choice() {
    const language = this.#nodes.language.value.trim();
    return { audio_filename: this.#sent.found.filename, ...(language ? { language } : {}) };
  }

  /** Sends a file, in place of the one that was there. */
  async take(blob, name) {
    this.clear();
    this.#sending = new AbortController();
    const { signal } = this.#sending;
    this.#notices.clear();
    this.#show();
    try {
      const found = await uploadRecording(blob, name, signal, (share) => this.#showShare(share));
      this.#sent = { blob, name, found };
    } catch (error) {
      if (error.name !== "AbortError") this.#notices.fail(error);
    } finally {
      if (this.#sending?.signal === signal) this.#sending = null;
      this.#show();
      this.#onChange();
    }
  }

  /** Sends it once more: the server keeps uploads for a day. */
  async again() {
    const { blob, name } = this.#sent;
    await this.take(blob, name);
    return this.ready;
  }

  clear() {
    this.#sending?.abort();
    this.#sending = this.#sent = null;
    this.#show();
    this.#onChange();
  }

  async #toggleMicrophone() {
    if (this.#microphone.recording) {
      this.#microphone.stop();
      return;
    }
    if (this.#asking) return;
    this.#asking = true;
    this.clear();
    this.#notices.clear();
    let since = null;
    const onLevel = (level) => this.#showLevel(level, performance.now() - (since ??= performance.now()));
    try {
      await this.#microphone.start(onLevel, (blob) => this.take(blob, "microphone"));
    } catch (error) {
      this.#notices.fail(error);
    } finally {
      this.#asking = false;
    }
    this.#show();
  }

  #showLevel(level, elapsed_ms) {
    this.#nodes.level.style.setProperty("--level", level.toFixed(3));
    const text = `Recording, ${Math.floor(elapsed_ms / 1000)} s`;
    if (this.#nodes.recordingFacts.textContent !== text) this.#nodes.recordingFacts.textContent = text;
  }

  #showShare(share) {
    this.#nodes.sending.value = share;
    this.#nodes.recordingFacts.textContent = share < 1 ? `Sending, ${Math.round(share * 100)} %` : "Listening to it…";
    if (share >= 1) this.#nodes.sending.removeAttribute("value");
  }

  #show() {
    const { record, level, sending, recordingFacts, recordingNotes, removeRecording, chooseRecording } = this.#nodes;
    const listening = this.#microphone.recording;
    record.textContent = listening ? "Stop recording" : "Record";
    record.setAttribute("aria-pressed", String(listening));
    chooseRecording.disabled = listening;
    level.hidden = !listening;
    sending.hidden = this.#sending === null;
    if (this.#sending === null) sending.value = 0;
    removeRecording.hidden = !this.#sent && this.#sending === null;
    recordingNotes.textContent = this.#sent?.found.notes.join(" ") ?? "";
    recordingNotes.hidden = recordingNotes.textContent === "";
    if (listening) return;
    if (this.#sent) recordingFacts.textContent = `${this.#sent.name}: ${factsOf(this.#sent.found)}`;
    else if (this.#sending === null) recordingFacts.textContent = `${KINDS}: choose it, drop it here, or record.`;
  }
}
