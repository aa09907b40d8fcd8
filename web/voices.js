// Choosing a voice: installed ones in the form, the rest of the catalogue as a list of download commands.

import { element } from "./dom.js";

const languageOf = (voice) =>
  [voice.language_name, voice.country].filter(Boolean).join(", ") || voice.language || "Other";

function byLanguage(voices) {
  const groups = new Map();
  for (const voice of voices) {
    const language = languageOf(voice);
    groups.set(language, [...(groups.get(language) ?? []), voice]);
  }
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}

const labelOf = (voice) => {
  if (voice.character) return `${voice.name} (${voice.character.model || "effect"} on ${voice.character.tts})`;
  const speakers = voice.speakers.length > 1 ? `, ${voice.speakers.length} speakers` : "";
  return `${voice.name} (${voice.quality}${speakers})`;
};

function commandRow(voice) {
  const copy = element("button", { type: "button", className: "quiet", textContent: "Copy" });
  copy.setAttribute("aria-label", `Copy the download command for ${voice.voice_id}`);
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(voice.download).then(
      () => { copy.textContent = "Copied"; },
      () => { copy.textContent = "Select it"; }, // no clipboard without https; the command stands beside the button
    );
  });
  const size = voice.size_mb ? `, ${Math.round(voice.size_mb)} MB` : "";
  return element("li", {}, element("span", { textContent: `${voice.name} (${voice.quality}${size})` }),
    element("code", { textContent: voice.download }), copy);
}

export class VoicePicker {
  #nodes;
  #voices = [];

  /** nodes: voice and speaker (select), speakerRow, catalogue, catalogueList, catalogueCount, filter. */
  constructor(nodes) {
    this.#nodes = nodes;
    nodes.voice.addEventListener("change", () => this.showSpeakers());
    nodes.filter.addEventListener("input", () => this.#showCatalogue());
  }

  get loaded() { return this.#voices.length > 0; }

  /** What the form sends; with no voice chosen the server takes its default. */
  get choice() {
    const { voice, speaker, speakerRow } = this.#nodes;
    return {
      ...(voice.value ? { voice_id: voice.value } : {}),
      ...(!speakerRow.hidden && speaker.value ? { speaker: speaker.value } : {}),
    };
  }

  show({ voices, default: preferred }) {
    this.#voices = voices;
    const optionOf = ({ voice_id: value, ...voice }) =>
      element("option", { value, textContent: labelOf(voice), selected: value === preferred });
    const ready = voices.filter((voice) => voice.installed);
    const characters = ready.filter((voice) => voice.character);
    const groups = [
      ...byLanguage(ready.filter((voice) => !voice.character)),
      ...(characters.length > 0 ? [["Characters", characters]] : []),
    ].map(([label, members]) => element("optgroup", { label }, ...members.map(optionOf)));
    const none = element("option", { value: "", textContent: "No voice is installed yet" });
    this.#nodes.voice.replaceChildren(...(groups.length > 0 ? groups : [none]));
    this.showSpeakers();
    this.#showCatalogue();
  }

  /** The speakers of the chosen voice, where there are several. */
  showSpeakers() {
    const chosen = this.#voices.find((voice) => voice.voice_id === this.#nodes.voice.value);
    const speakers = chosen?.speakers ?? [];
    this.#nodes.speakerRow.hidden = speakers.length < 2;
    const options = speakers.map((name) => element("option", { value: name, textContent: name }));
    this.#nodes.speaker.replaceChildren(...options);
  }

  #showCatalogue() {
    const missing = this.#voices.filter((voice) => voice.download);
    const wanted = this.#nodes.filter.value.trim().toLowerCase();
    const matches = missing.filter((voice) => `${voice.voice_id} ${languageOf(voice)}`.toLowerCase().includes(wanted));
    this.#nodes.catalogue.hidden = missing.length === 0;
    this.#nodes.catalogueCount.textContent = String(missing.length);
    this.#nodes.catalogueList.replaceChildren(...byLanguage(matches).map(([language, members]) =>
      element("section", {}, element("h3", { textContent: language }), element("ul", {}, ...members.map(commandRow)))));
  }
}
