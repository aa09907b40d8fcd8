// Facts and downloads of the render that is on screen.

import { element } from "./dom.js";
import { wavUrl } from "./player.js";

export const inSeconds = (ms) => (ms / 1000).toFixed(1);

/** How the mouth of a recording was found, and how sure that is. */
function methodOf({ lipsync }) {
  return `lips by ${lipsync.method}, ${Math.round(lipsync.confidence * 100)} % sure, `;
}

function factsOf(render) {
  const made = render.cached ? "from the cache" : `made in ${inSeconds(render.processing_time_ms)} s`;
  const isRecorded = render.audio_filename && render.lipsync;
  const voice = isRecorded ? methodOf(render) : render.voice?.voice_id ? `${render.voice.voice_id}, ` : "";
  const size = `${inSeconds(render.duration_ms)} s of speech, ${render.mouth_cues.length} cues`;
  return `${voice}${size}, ${made}`;
}

/** nodes: result, facts, notes, linkOgg, linkWav, linkVtt, linkSrt. */
export function showResult(nodes, render) {
  nodes.result.hidden = false;
  nodes.facts.textContent = factsOf(render);
  const notes = render.lipsync?.notes ?? [];
  nodes.notes.replaceChildren(...notes.map((note) => element("li", { textContent: note })));
  nodes.notes.hidden = notes.length === 0;
  const captionsUrl = render.captions_url;
  const links = {
    // Where Opus encoding failed, the server has WAV only.
    linkOgg: render.audio_url.endsWith(".ogg") ? render.audio_url : null,
    linkWav: wavUrl(render.audio_url),
    linkVtt: captionsUrl, linkSrt: captionsUrl?.replace(/\.vtt$/, ".srt"),
  };
  for (const [id, url] of Object.entries(links)) {
    nodes[id].hidden = !url;
    if (url) nodes[id].href = url;
  }
}
