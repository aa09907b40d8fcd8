// The whole text of a listed job, for its captions.

import { fetchCaptions } from "./api.js";

/** The lines of SubRip captions: each block is a number, its times, then text. */
const linesOf = (srt) => srt.split(/\r?\n\r?\n/).flatMap((block) => block.split(/\r?\n/).slice(2));

/** The words with their places in `text`, found one after the other. Places are counted in code points. */
function placed(text, words) {
  const letters = [...text];
  let from = 0;
  return words.map((word) => {
    const own = [...word.text];
    const last = letters.length - own.length;
    let start = from;
    while (start <= last && !own.every((letter, i) => letters[start + i] === letter)) start += 1;
    if (start > last) return { ...word, start_char: from, end_char: from }; // spoken, but not written like this
    from = start + own.length;
    return { ...word, start_char: start, end_char: from };
  });
}

/**
 * { text, words } of a completed job. The server tells only how a text begins; its captions have all of it.
 * job: text as the list has it, cut or not.
 */
export async function transcriptOf(job, render) {
  const words = render.words ?? [];
  const isWhole = !job.text.endsWith("…") || (words.at(-1)?.end_char ?? 0) < [...job.text].length;
  if (isWhole) return { text: job.text, words };
  const captions = await fetchCaptions(render.render_id, "srt").catch(() => "");
  const text = linesOf(captions).join(" ").trim() || words.map((word) => word.text).join(" ");
  return { text, words: placed(text, words) };
}
