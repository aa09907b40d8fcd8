// Facts and downloads of the render that is on screen.

import { wavUrl } from "./player.js";

export const inSeconds = (ms) => (ms / 1000).toFixed(1);

function factsOf(render) {
  const made = render.cached ? "from the cache" : `made in ${inSeconds(render.processing_time_ms)} s`;
  const voice = render.voice?.voice_id ? `${render.voice.voice_id}, ` : "";
  const size = `${inSeconds(render.duration_ms)} s of speech, ${render.mouth_cues.length} cues`;
  return `${voice}${size}, ${made}`;
}

/** nodes: result, facts, linkOgg, linkWav, linkVtt, linkSrt. */
export function showResult(nodes, render) {
  nodes.result.hidden = false;
  nodes.facts.textContent = factsOf(render);
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
