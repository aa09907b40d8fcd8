// What was found in a picture: a box around each face, and the one that will talk from near, with its lips and eyes.

// Indices into the 478 points of MediaPipe's face mesh, as in deployments/avatar/landmarks.py; each line closes.
const LINES = [
  [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146], // lips, outer
  [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95], // lips, inner
  [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7], // right eye
  [362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382], // left eye
];
const SVG = "http://www.w3.org/2000/svg";

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

const boxOf = ([left, top, right, bottom], isTalker) => shape("rect", {
  x: left, y: top, width: right - left, height: bottom - top, class: isTalker ? "mark-face" : "mark-face mark-other",
});

const lineOf = (landmarks, indices) => shape("polygon", {
  points: indices.map((i) => landmarks[i].map((value) => value.toFixed(1)).join(",")).join(" "), class: "mark-line",
});

/** A square around a face: its box is from brows to chin, and a head is about so much larger. */
function squareAround([left, top, right, bottom]) {
  const side = 1.8 * Math.max(right - left, bottom - top);
  return { x: (left + right - side) / 2, y: (top + bottom - side) / 2, side };
}

function showCloseUp({ closeUp, closePicture, faceMarks }, url, { width, height }, face) {
  closeUp.hidden = !face;
  if (!face) return;
  const { x, y, side } = squareAround(face.box);
  const share = (pixels) => `${(100 * pixels) / side}%`;
  closePicture.src = url;
  Object.assign(closePicture.style, { left: share(-x), top: share(-y), width: share(width), height: share(height) });
  faceMarks.setAttribute("viewBox", `${x} ${y} ${side} ${side}`);
  const isKnown = face.landmarks.length > 0; // a box alone may be all that there is
  faceMarks.replaceChildren(...(isKnown ? LINES.map((indices) => lineOf(face.landmarks, indices)) : []));
}

/** The face that will talk: the largest that can, else the largest; none where there is none. */
const talkerOf = ({ faces }) => faces.find((face) => !face.problem) ?? faces[0];

/**
 * nodes: facePicture with faceBoxes over it, closeUp with closePicture and faceMarks. url: of the picture. found: what the
 * server says of it.
 */
export function showFaces(nodes, url, found) {
  const talker = talkerOf(found);
  nodes.facePicture.src = url;
  nodes.faceBoxes.setAttribute("viewBox", `0 0 ${found.width} ${found.height}`);
  nodes.faceBoxes.replaceChildren(...found.faces.map((face) => boxOf(face.box, face === talker)));
  showCloseUp(nodes, url, found, talker);
}
