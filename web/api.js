// The server's HTTP surface, as far as the page needs it.

import { access } from "./access.js";

// Viseme names that the page asks for: the set with the finest difference between mouth shapes.
export const VISEME_SET = "oculus";
// A render that outlives the server's own limit goes on as a job; once a second is prompt without being a burden.
const POLL_MS = 1000;
// A server that restarts goes on with its jobs; it is back within a minute, or something is wrong.
const PATIENCE_MS = 60000;
// An answer that takes longer will not come; but for renders, whose length the server limits.
const LONGEST_ANSWER_MS = 30000;

/** A failure in words for the user: what happened, and what to do about it. */
export class ApiError extends Error {
  constructor(message, hint, code, status = 0) {
    super(message);
    this.hint = hint;
    this.code = code;
    this.status = status;
  }
}

async function readJson(response) {
  try {
    return await response.json();
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    return null; // a proxy in between may answer with HTML
  }
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...access.headers, ...options.headers } });
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    const hint = "Check that avatar-serve is running, then try again.";
    throw new ApiError("The server cannot be reached.", hint, "unreachable");
  }
  if (response.status === 401) access.refuse();
  return { response, body: await readJson(response) };
}

/** The failure that an answer says, or its status where it says nothing. */
export function errorFrom(response, body) {
  const error = body?.error;
  if (error?.message) {
    const wait = response.headers.get("Retry-After");
    // The server's own hint for 401 is for those who write headers.
    const hint = response.status === 401 ? "Enter it under “Access”." : error.hint;
    return new ApiError(error.message, hint || (wait ? `Try again in ${wait} seconds.` : ""), error.code, response.status);
  }
  const message = `The server answered with status ${response.status}.`;
  return new ApiError(message, "Its log has the reason.", "unexpected_answer", response.status);
}

async function getJson(path, options) {
  const { response, body } = await request(path, options);
  if (!response.ok || body === null) throw errorFrom(response, body);
  return body;
}

const get = (path, options) => getJson(path, { signal: AbortSignal.timeout(LONGEST_ANSWER_MS), ...options });

const asJson = (fields) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ ...fields, viseme_set: VISEME_SET }),
});

// Relative to the page, not the addresses that the server gives: it may not know the name that it has outside.
const renderPath = (id) => `v1/avatar/render/${encodeURIComponent(id)}`;
const jobPath = (id) => `jobs/${encodeURIComponent(id)}`;

/** Addresses of a video: whole, while it is made, and its first frame. */
export const videoPath = (id) => `download/${encodeURIComponent(id)}.mp4`;
export const streamPath = (id) => `stream/${encodeURIComponent(id)}.mp4`;
export const thumbnailPath = (id) => `${renderPath(id)}/thumbnail.jpg`;
export const captionsPath = (id, extension) => `${renderPath(id)}/captions.${extension}`;
export const portraitPath = (name) => `portraits/${encodeURIComponent(name)}.png`;

export const fetchPortraits = () => get("portraits");
export const fetchVoices = () => get("v1/voices");
export const fetchHealth = () => get("health");
export const fetchRender = (id) => get(renderPath(id));
export const fetchJob = (id) => get(jobPath(id));
export const fetchJobs = (limit, cursor) => get(`jobs?${new URLSearchParams({ limit, ...(cursor ? { cursor } : {}) })}`);
export const cancelJob = (id) => get(`${jobPath(id)}/cancel`, { method: "DELETE" });
/** Hands a text or a recording in as a job, with a portrait as a video; it is written down when this resolves. */
export const submitJob = (fields) =>
  get(fields.image_filename ? "generate/async" : "v1/avatar/render_async", asJson(fields));

/** A text file of a render, such as its captions. */
export async function fetchCaptions(id, extension) {
  const response = await fetch(captionsPath(id, extension));
  return response.ok ? response.text() : "";
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

/** Nobody waits for the job any more, so it should not take the server's time from others. */
function cancelOnAbort(id, signal) {
  const options = { method: "DELETE", keepalive: true, headers: access.headers };
  const cancel = () => fetch(`${jobPath(id)}/cancel`, options).catch(() => {});
  signal.addEventListener("abort", cancel, { once: true });
  return () => signal.removeEventListener("abort", cancel);
}

/** Why a job has ended without a result, or null. */
export function failureOf(job) {
  if (job.error) return new ApiError(job.error.message ?? String(job.error), job.error.hint, job.error.code);
  const ends = { failed: "The render failed.", cancelled: "The render was cancelled." };
  return job.status in ends ? new ApiError(ends[job.status], "Try again.", job.status) : null;
}

/** No answer of ours: nobody listens, or Serve's own word for an application that is still starting. */
const isAway = ({ code, status }) => code === "unreachable" || code === "unexpected_answer" || status === 503;

/** The job as it is now, or null while the server is away. */
async function look(id, signal, giveUpAt) {
  try {
    return await getJson(renderPath(id), { signal });
  } catch (error) {
    if (!isAway(error) || performance.now() > giveUpAt) throw error;
    return null;
  }
}

async function followJob(id, signal, onProgress) {
  const settle = cancelOnAbort(id, signal);
  let giveUpAt = performance.now() + PATIENCE_MS;
  try {
    for (;;) {
      const job = await look(id, signal, giveUpAt);
      if (job?.status === "completed") return job;
      const failure = job && failureOf(job);
      if (failure) throw failure;
      if (job) giveUpAt = performance.now() + PATIENCE_MS;
      if (typeof job?.progress === "number") onProgress(job.progress);
      await pause(POLL_MS, signal);
    }
  } finally {
    settle();
  }
}

/** Speaks a text: resolves with the completed render. Aborting `signal` ends the wait. */
export async function renderSpeech(fields, signal, onProgress) {
  const { response, body } = await request("v1/avatar/render", { ...asJson(fields), signal });
  const pollUrl = body?.error?.poll_url ?? body?.poll_url;
  if (pollUrl && body.status !== "completed") {
    return followJob(new URL(pollUrl, location.href).pathname.split("/").pop(), signal, onProgress);
  }
  if (!response.ok || body === null) throw errorFrom(response, body);
  return body;
}
