// The page: connects the form, the server, the player and everything that shows the present moment.

import { access, wireAccess } from "./access.js";
import { fetchHealth, fetchPortraits, fetchRender, fetchVoices, renderSpeech } from "./api.js";
import { DrawnAvatar } from "./avatar.js";
import { Captions } from "./captions.js";
import { Filming } from "./filming.js";
import { SpeechForm } from "./form.js";
import { JobCard } from "./jobcard.js";
import { Jobs } from "./jobs.js";
import { wireLook } from "./look.js";
import { Notices } from "./notices.js";
import { VideoOptions } from "./options.js";
import { Player } from "./player.js";
import { PortraitPicker } from "./portraits.js";
import { RecordingPicker } from "./recording.js";
import { inSeconds, showResult } from "./result.js";
import { Screen } from "./screen.js";
import { Stage } from "./stage.js";
import { exposeStudio } from "./studio.js";
import { Timeline } from "./timeline.js";
import { transcriptOf } from "./transcript.js";
import { setOf } from "./visemes.js";
import { VoicePicker } from "./voices.js";

const HEALTH_EVERY_MS = 20000;
const WORDLESS = "(Nobody knows the words of this recording.)";

const nodes = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const notices = new Notices(nodes);
const player = new Player(nodes.video);
const screen = new Screen(nodes, player);
const drawnAvatar = new DrawnAvatar(nodes.canvas);
const stage = new Stage(nodes.canvas, player, drawnAvatar);
const captions = new Captions(nodes.captions, (ms) => player.seek(ms));
const timeline = new Timeline(nodes.timeline, (ms) => player.seek(ms));
const voices = new VoicePicker(nodes);
const recording = new RecordingPicker(nodes, notices, () => {});
const portraits = new PortraitPicker(nodes, notices);
const form = new SpeechForm(nodes, { voices, recording, portraits, options: new VideoOptions(nodes) });
const jobs = new Jobs();
const filming = new Filming(nodes, { screen, jobs, notices, onReady: (render) => present(render, render.text) });
let rendering = null; // the AbortController of the render that we wait for, or of a video that is handed in

function showBusy() {
  const busy = rendering !== null;
  nodes.form.setAttribute("aria-busy", String(busy));
  // Not `disabled`: that would throw the keyboard focus away while the user waits.
  nodes.speak.setAttribute("aria-disabled", String(busy));
  nodes.speak.classList.toggle("busy", busy);
  nodes.speakLabel.textContent = busy ? "Preparing…" : form.action;
  showTransport();
}

function showTransport() {
  nodes.stop.disabled = rendering === null && !player.playing && !player.held;
  nodes.play.disabled = player.render === null;
  nodes.play.textContent = player.playing ? "Pause" : "Play";
}

/** Asks the server how it is, and for its voices and portraits until they have come. `onFailure` hears of a failed attempt. */
async function connect(onFailure = () => {}) {
  const status = await fetchHealth().then((health) => health.status, () => "unreachable");
  nodes.health.textContent = status === "healthy" ? "Server ready" : `Server ${status}`;
  nodes.health.dataset.status = status;
  if (voices.loaded && portraits.loaded) return;
  try {
    const [spoken, drawn] = await Promise.all([fetchVoices(), fetchPortraits()]);
    voices.show(spoken);
    portraits.show(drawn);
    notices.clear();
  } catch (error) {
    onFailure(error);
  }
}

/** What the form asks for; null where it must be changed first, which is said. */
function readForm() {
  const problem = form.findProblem();
  if (problem) notices.fail(problem);
  else notices.clear();
  return problem ? null : form.fields;
}

/** Does what the form asks for: speaks, or has a video made. */
async function begin() {
  const fields = rendering ? null : readForm();
  if (!fields) return;
  player.stop();
  rendering = new AbortController();
  showBusy();
  try {
    if (form.isVideo) await film();
    else await speak(rendering.signal, fields.text);
  } catch (error) {
    if (error.name === "AbortError") notices.say("Stopped.");
    else notices.fail(error);
  } finally {
    rendering = null;
    showBusy();
    jobs.refresh(); // what was waited for is a job as well
  }
}

async function speak(signal, text) {
  notices.say("Preparing the speech…");
  const tellProgress = (done) => notices.say(`Preparing the speech, ${Math.round(done)} %`);
  const render = await withUploads((fields) => renderSpeech(fields, signal, tellProgress));
  rendering = null;
  await present(render, render.text ?? text);
}

async function film() {
  notices.say("Handing in the video…");
  await withUploads((fields) => filming.begin(fields, portraits.url));
  captions.show(nodes.text.value.trim() || WORDLESS, []);
  nodes.result.hidden = true;
  nodes.views.scrollIntoView({ block: "nearest" });
}

/** Does it with what the form says; what the server has forgotten of that is sent once more. */
async function withUploads(action) {
  try {
    return await action(form.fields);
  } catch (error) {
    if (error.code !== "upload_not_found" || !await form.sendAgain()) throw error;
    return action(form.fields);
  }
}

async function enqueue() {
  if (!readForm()) return;
  notices.say("Adding to the queue…");
  try {
    await withUploads((fields) => jobs.submit(fields));
    notices.say("Added to the queue: see Jobs.");
  } catch (error) {
    notices.fail(error);
  }
}

async function playJob(job) {
  const render = await fetchRender(job.job_id);
  const { text, words } = render.text ? render : await transcriptOf(job, render);
  notices.clear();
  await present({ ...render, words }, text);
}

async function present(render, text) {
  const words = render.words ?? [];
  const plays = load(render);
  stage.setTrack(render, setOf(render));
  captions.show(text || WORDLESS, words);
  timeline.show({ ...stage.track, words, durationMs: render.duration_ms });
  showResult(nodes, render);
  showTransport();
  nodes.views.scrollIntoView({ block: "nearest" }); // on a phone the form hides the avatar
  if (!plays) {
    notices.say("The video is ready.");
    return;
  }
  notices.say("Speaking.");
  try {
    await player.play();
  } catch (error) {
    if (error.name === "NotAllowedError") notices.say(`The ${render.video ? "video" : "speech"} is ready. Press Play.`);
    else if (error.name !== "AbortError") throw error; // stopped before the sound began
  }
}

/** Hands it to the player; whether it should begin to play. */
function load(render) {
  filming.leave();
  if (render.video) return screen.show(render);
  screen.close();
  player.load(render);
  return true;
}

function stop() {
  rendering?.abort();
  player.stop();
  stage.drawNow();
  if (player.render) notices.say("Stopped.");
}

function wireForm() {
  nodes.form.addEventListener("submit", (event) => { event.preventDefault(); begin(); });
  nodes.enqueue.addEventListener("click", enqueue);
  nodes.stop.addEventListener("click", stop);
  nodes.play.addEventListener("click", () => {
    if (player.playing) player.pause();
    else player.play().catch((error) => notices.fail(error));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (event.shiftKey) enqueue();
    else begin();
  });
}

function wireJobs() {
  new JobCard(nodes, jobs, playJob);
  access.addEventListener("change", () => { notices.clear(); connect((error) => notices.fail(error)); jobs.restart(); });
  jobs.start();
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
    const what = player.render.video ? "video" : "audio";
    notices.fail({ message: `The ${what} cannot be played.`, hint: "It may have expired on the server. Make it again." });
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
wireAccess(nodes);
wireJobs();
exposeStudio({ player, stage, captions, jobs, isBusy: () => rendering !== null });
showBusy();
connect((error) => notices.fail(error)); // later attempts are silent: the same alert over and over helps nobody
setInterval(() => { if (!document.hidden) connect(); }, HEALTH_EVERY_MS);
window.addEventListener("focus", () => connect()); // back from the terminal where the server was started
