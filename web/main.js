// The page: connects the form, the server, the player and everything that shows the present moment.

import { access, wireAccess } from "./access.js";
import { fetchHealth, fetchRender, fetchVoices, renderSpeech } from "./api.js";
import { DrawnAvatar } from "./avatar.js";
import { Captions } from "./captions.js";
import { SpeechForm } from "./form.js";
import { JobCard } from "./jobcard.js";
import { Jobs } from "./jobs.js";
import { wireLook } from "./look.js";
import { Notices } from "./notices.js";
import { Player } from "./player.js";
import { RecordingPicker } from "./recording.js";
import { inSeconds, showResult } from "./result.js";
import { Stage } from "./stage.js";
import { exposeStudio } from "./studio.js";
import { Timeline } from "./timeline.js";
import { transcriptOf } from "./transcript.js";
import { setOf } from "./visemes.js";
import { VoicePicker } from "./voices.js";

const HEALTH_EVERY_MS = 20000;

const nodes = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const notices = new Notices(nodes);
const player = new Player();
const drawnAvatar = new DrawnAvatar(nodes.canvas);
const stage = new Stage(nodes.canvas, player, drawnAvatar);
const captions = new Captions(nodes.captions, (ms) => player.seek(ms));
const timeline = new Timeline(nodes.timeline, (ms) => player.seek(ms));
const voices = new VoicePicker(nodes);
const recording = new RecordingPicker(nodes, notices, () => {});
const form = new SpeechForm(nodes, voices, recording);
const jobs = new Jobs();
let rendering = null; // the AbortController of the render that we wait for

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

/** What the form asks for; null where it must be changed first, which is said. */
function readForm() {
  const problem = form.findProblem();
  if (problem) notices.fail(problem);
  else notices.clear();
  return problem ? null : form.fields;
}

async function speak() {
  const fields = rendering ? null : readForm();
  if (!fields) return;
  player.stop();
  rendering = new AbortController();
  notices.say("Preparing the speech…");
  showBusy();
  try {
    const tellProgress = (done) => notices.say(`Preparing the speech, ${Math.round(done)} %`);
    const render = await renderedAgain(fields, tellProgress);
    rendering = null;
    await present(render, render.text ?? fields.text);
  } catch (error) {
    if (error.name === "AbortError") notices.say("Stopped.");
    else notices.fail(error);
  } finally {
    rendering = null;
    showBusy();
    jobs.refresh(); // what was waited for is a job as well
  }
}

/** Renders; a recording that the server has forgotten is sent once more. */
async function renderedAgain(fields, tellProgress) {
  const { signal } = rendering;
  try {
    return await renderSpeech(fields, signal, tellProgress);
  } catch (error) {
    if (error.code !== "upload_not_found" || !await recording.again()) throw error;
    return renderSpeech(form.fields, signal, tellProgress);
  }
}

async function enqueue() {
  const fields = readForm();
  if (!fields) return;
  notices.say("Adding to the queue…");
  try {
    await jobs.submit(fields);
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
  player.load(render);
  stage.setTrack(render, setOf(render));
  captions.show(text || "(Nobody knows the words of this recording.)", words);
  timeline.show({ ...stage.track, words, durationMs: render.duration_ms });
  showResult(nodes, render);
  notices.say("Speaking.");
  nodes.canvas.scrollIntoView({ block: "nearest" }); // on a phone the form hides the avatar
  try {
    await player.play();
  } catch (error) {
    if (error.name === "NotAllowedError") notices.say("The speech is ready. Press Play.");
    else if (error.name !== "AbortError") throw error; // stopped before the sound began
  }
}

function stop() {
  rendering?.abort();
  player.stop();
  stage.drawNow();
  if (player.render) notices.say("Stopped.");
}

function wireForm() {
  nodes.form.addEventListener("submit", (event) => { event.preventDefault(); speak(); });
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
    else speak();
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
wireAccess(nodes);
wireJobs();
exposeStudio({ player, stage, captions, jobs, isBusy: () => rendering !== null });
showBusy();
connect((error) => notices.fail(error)); // later attempts are silent: the same alert over and over helps nobody
setInterval(() => { if (!document.hidden) connect(); }, HEALTH_EVERY_MS);
window.addEventListener("focus", () => connect()); // back from the terminal where the server was started
