// Sends a file to the server, with progress: fetch cannot tell how much of a body is on its way.

import { access } from "./access.js";
import { ApiError, errorFrom } from "./api.js";

/** What the server found in the recording; its `filename` is what a render asks for. Aborting `signal` ends it. */
export const uploadRecording = (blob, name, signal, onProgress) =>
  upload("upload/audio", "recording", { blob, name, signal, onProgress });

/** The same of a picture. */
export const uploadPicture = (blob, name, signal, onProgress) =>
  upload("upload/image", "picture", { blob, name, signal, onProgress });

function upload(path, what, { blob, name, signal, onProgress }) {
  const form = new FormData();
  form.append("file", blob, name);
  return new Promise((resolve, reject) => {
    const line = new XMLHttpRequest();
    line.open("POST", path);
    line.responseType = "json"; // null where the answer is none
    for (const [header, value] of Object.entries(access.headers)) line.setRequestHeader(header, value);
    line.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    line.addEventListener("load", () => {
      if (line.status === 401) access.refuse();
      if (line.status === 200 && line.response) resolve(line.response);
      else reject(errorFrom({ status: line.status, headers: headersOf(line) }, line.response));
    });
    line.addEventListener("error", () => reject(
      new ApiError(`The ${what} could not be sent.`, "Check that avatar-serve is running, then try again.", "unreachable"),
    ));
    line.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => line.abort(), { once: true });
    line.send(form);
  });
}

const headersOf = (line) => ({ get: (name) => line.getResponseHeader(name) });
