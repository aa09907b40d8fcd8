// Facts and downloads of the render that is on screen.

import { element } from "./dom.js";
import { videoPath } from "./api.js";
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

function videoFactsOf({ width, height, fps, frames, size_bytes: bytes, av_offset_ms: offset }) {
  const size = `${(bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1)} MB`;
  const apart = Math.round(Math.abs(offset));
  const ends = apart === 0 ? "picture and sound end together" : `picture and sound end ${apart} ms apart`;
  return `Video: ${width} × ${height} pixels, ${frames} frames, ${fps} a second, ${size}, ${ends}`;
}

/** nodes: result, facts, videoFacts, notes, linkMp4, linkOgg, linkWav, linkVtt, linkSrt. */
export function showResult(nodes, render) {
  nodes.result.hidden = false;
  nodes.facts.textContent = factsOf(render);
  nodes.videoFacts.hidden = !render.video;
  nodes.videoFacts.textContent = render.video ? videoFactsOf(render.video) : "";
  const notes = render.lipsync?.notes ?? [];
  nodes.notes.replaceChildren(...notes.map((note) => element("li", { textContent: note })));
  nodes.notes.hidden = notes.length === 0;
  const captionsUrl = render.captions_url;
  const links = {
    linkMp4: render.video ? videoPath(render.render_id) : null,
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
