// The server's HTTP surface, as far as the page needs it.

// Viseme names that the page asks for: the set with the finest difference between mouth shapes.
export const VISEME_SET = "oculus";
// A render that outlives the server's own limit goes on as a job; once a second is prompt without being a burden.
const POLL_MS = 1000;

/** A failure in words for the user: what happened, and what to do about it. */
export class ApiError extends Error {
  constructor(message, hint, code) {
    super(message);
    this.hint = hint;
    this.code = code;
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
    response = await fetch(path, options);
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    const hint = "Check that avatar-serve is running, then try again.";
    throw new ApiError("The server cannot be reached.", hint, "unreachable");
  }
  return { response, body: await readJson(response) };
}

function errorFrom(response, body) {
  const error = body?.error;
  if (error?.message) {
    const wait = response.headers.get("Retry-After");
    const hint = error.hint || (wait ? `Try again in ${wait} seconds.` : "");
    return new ApiError(error.message, hint, error.code);
  }
  const message = `The server answered with status ${response.status}.`;
  return new ApiError(message, "Its log has the reason.", "unexpected_answer");
}

export async function getJson(path, options) {
  const { response, body } = await request(path, options);
  if (!response.ok || body === null) throw errorFrom(response, body);
  return body;
}

export const fetchVoices = () => getJson("v1/voices");
export const fetchHealth = () => getJson("health");

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

/** Nobody waits for the job any more, so it should not take the server's time from others. */
function cancelOnAbort(jobId, signal) {
  const path = `jobs/${encodeURIComponent(jobId)}/cancel`;
  const cancel = () => fetch(path, { method: "DELETE", keepalive: true }).catch(() => {});
  if (jobId) signal.addEventListener("abort", cancel, { once: true });
  return () => signal.removeEventListener("abort", cancel);
}

function failureOf(job) {
  if (job.error) return new ApiError(job.error.message ?? String(job.error), job.error.hint, job.error.code);
  const ends = { failed: "The render failed.", cancelled: "The render was cancelled." };
  return job.status in ends ? new ApiError(ends[job.status], "Try again.", job.status) : null;
}

async function followJob(pollUrl, signal, onProgress) {
  const settle = cancelOnAbort(new URL(pollUrl, location.href).pathname.split("/").pop(), signal);
  try {
    for (;;) {
      const job = await getJson(pollUrl, { signal });
      if (job.status === "completed") return job;
      const failure = failureOf(job);
      if (failure) throw failure;
      if (typeof job.progress === "number") onProgress(job.progress);
      await pause(POLL_MS, signal);
    }
  } finally {
    settle();
  }
}

/** Speaks a text: resolves with the completed render. Aborting `signal` ends the wait. */
export async function renderSpeech(fields, signal, onProgress) {
  const { response, body } = await request("v1/avatar/render", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...fields, viseme_set: VISEME_SET }),
    signal,
  });
  const pollUrl = body?.poll_url ?? body?.error?.poll_url;
  if (pollUrl && body?.status !== "completed") return followJob(pollUrl, signal, onProgress);
  if (!response.ok || body === null) throw errorFrom(response, body);
  return body;
}
