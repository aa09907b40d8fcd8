// The page: connects the form, the server, the player and everything that shows the present moment.

import { VISEME_SET, fetchHealth, fetchVoices, renderSpeech } from "./api.js";
import { DrawnAvatar } from "./avatar.js";
import { Captions } from "./captions.js";
import { wireLook } from "./look.js";
import { Notices } from "./notices.js";
import { Player, wavUrl } from "./player.js";
import { Stage } from "./stage.js";
import { exposeStudio } from "./studio.js";
import { Timeline } from "./timeline.js";
import { VoicePicker } from "./voices.js";

const MAX_CHARACTERS = 5000; // the server's own limit, in code points
const HEALTH_EVERY_MS = 20000;

const nodes = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const notices = new Notices(nodes);
const player = new Player();
const drawnAvatar = new DrawnAvatar(nodes.canvas);
const stage = new Stage(nodes.canvas, player, drawnAvatar);
const captions = new Captions(nodes.captions, (ms) => player.seek(ms));
const timeline = new Timeline(nodes.timeline, (ms) => player.seek(ms));
const voices = new VoicePicker(nodes);
let rendering = null; // the AbortController of the render that we wait for

const lengthOf = (text) => [...text].length;
const inSeconds = (ms) => (ms / 1000).toFixed(1);

function showCount() {
  const count = lengthOf(nodes.text.value);
  nodes.count.textContent = `${count} / ${MAX_CHARACTERS}`;
  nodes.count.classList.toggle("over", count > MAX_CHARACTERS);
  return count;
}

function showBusy() {
  const busy = rendering !== null;
  nodes.form.setAttribute("aria-busy", String(busy));
  // Not `disabled`: that would throw the keyboard focus away while the user waits.
  nodes.speak.setAttribute("aria-disabled", String(busy));
  nodes.speak.classList.toggle("busy", busy);
  nodes.speakLabel.textContent = busy ? "Preparing…" : "Speak";
  showTransport();
}

function showTransport() {
  nodes.stop.disabled = rendering === null && !player.playing && !player.held;
  nodes.play.disabled = player.render === null;
  nodes.play.textContent = player.playing ? "Pause" : "Play";
}

/** Asks the server how it is, and for its voices until they have come. `onFailure` hears of a failed attempt. */
async function connect(onFailure = () => {}) {
  const status = await fetchHealth().then((health) => health.status, () => "unreachable");
  nodes.health.textContent = status === "healthy" ? "Server ready" : `Server ${status}`;
  nodes.health.dataset.status = status;
  if (voices.loaded) return;
  try {
    voices.show(await fetchVoices());
    notices.clear();
  } catch (error) {
    onFailure(error);
  }
}

function fieldError() {
  const count = showCount();
  if (nodes.text.value.trim() === "") {
    return { message: "There is nothing to say yet.", hint: "Write some text first." };
  }
  if (count <= MAX_CHARACTERS) return null;
  return {
    message: `The text has ${count} characters; ${MAX_CHARACTERS} is the limit.`,
    hint: "Shorten it or speak it in parts.",
  };
}

async function speak() {
  if (rendering) return;
  const problem = fieldError();
  if (problem) {
    notices.fail(problem);
    nodes.text.focus();
    return;
  }
  notices.clear();
  player.stop();
  const fields = { text: nodes.text.value, speed: Number(nodes.speed.value), ...voices.choice };
  rendering = new AbortController();
  notices.say("Preparing the speech…");
  showBusy();
  try {
    const tellProgress = (done) => notices.say(`Preparing the speech, ${Math.round(done)} %`);
    const render = await renderSpeech(fields, rendering.signal, tellProgress);
    rendering = null;
    await present(render, fields.text);
  } catch (error) {
    if (error.name === "AbortError") notices.say("Stopped.");
    else notices.fail(error);
  } finally {
    rendering = null;
    showBusy();
  }
}

async function present(render, text) {
  player.load(render);
  stage.setTrack(render, VISEME_SET);
  captions.show(text, render.words ?? []);
  timeline.show({ ...stage.track, words: render.words ?? [], durationMs: render.duration_ms });
  showResult(render);
  notices.say("Speaking.");
  nodes.canvas.scrollIntoView({ block: "nearest" }); // on a phone the form hides the avatar
  try {
    await player.play();
  } catch (error) {
    if (error.name === "NotAllowedError") notices.say("The speech is ready. Press Play.");
    else if (error.name !== "AbortError") throw error; // stopped before the sound began
  }
}

function showResult(render) {
  nodes.result.hidden = false;
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
  const made = render.cached ? "from the cache" : `made in ${inSeconds(render.processing_time_ms)} s`;
  const voice = render.voice?.voice_id ? `${render.voice.voice_id}, ` : "";
  const size = `${inSeconds(render.duration_ms)} s of speech, ${render.mouth_cues.length} cues`;
  nodes.facts.textContent = `${voice}${size}, ${made}`;
}

function stop() {
  rendering?.abort();
  player.stop();
  stage.drawNow();
  if (player.render) notices.say("Stopped.");
}

function wireForm() {
  nodes.form.addEventListener("submit", (event) => { event.preventDefault(); speak(); });
  nodes.text.addEventListener("input", showCount);
  nodes.speed.addEventListener("input", () => {
    nodes.speedValue.textContent = `${Number(nodes.speed.value).toFixed(2)}×`;
  });
  nodes.stop.addEventListener("click", stop);
  nodes.play.addEventListener("click", () => {
    if (player.playing) player.pause();
    else player.play().catch((error) => notices.fail(error));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    speak();
  });
}

function wirePlayer() {
  player.addEventListener("change", () => {
    showTransport();
    if (player.ended) notices.say("Done.");
    else if (player.playing) notices.say("Speaking.");
    else if (player.held) notices.say("Paused.");
  });
  player.addEventListener("failure", () => {
    if (!player.render) return;
    notices.fail({ message: "The audio cannot be played.", hint: "It may have expired on the server. Speak again." });
  });
  stage.onFrame((t) => {
    captions.update(player.playing || player.held ? t : -1);
    timeline.update(t);
    const clock = `${inSeconds(t)} / ${inSeconds(player.durationMs)} s`;
    if (nodes.clock.textContent !== clock) nodes.clock.textContent = clock;
  });
}

wireForm();
wirePlayer();
wireLook(nodes, stage, drawnAvatar, notices);
exposeStudio({ player, stage, captions, isBusy: () => rendering !== null });
showCount();
showBusy();
connect((error) => notices.fail(error)); // later attempts are silent: the same alert over and over helps nobody
setInterval(() => { if (!document.hidden) connect(); }, HEALTH_EVERY_MS);
window.addEventListener("focus", () => connect()); // back from the terminal where the server was started
