// Mouth poses for the four viseme sets. A pose is a plain record of numbers that every renderer can read:
//   open    0..1  gap between the lips; 1 is the widest vowel
//   width   1 = the resting mouth; below is pursed, above is spread
//   round   0..1  pucker: the lips come forward and the opening turns from lens to circle
//   tuck    0..1  the lower lip folds under the upper teeth (f, v)
//   tongue  0..1  0 lies on the floor of the mouth, 1 its tip shows between the teeth (th)
//   teeth   0..1  how much of the upper teeth shows
//   clench  0..1  how far the lower teeth come up to the upper ones (s, sh)
//   press   0..1  lips pressed on each other (p, b, m)
//   smile   0..1  lift of the corners

const FIELDS = ["open", "width", "round", "tuck", "tongue", "teeth", "clench", "press", "smile"];

export const REST_POSE = Object.freeze({
  open: 0, width: 1, round: 0, tuck: 0, tongue: 0, teeth: 0, clench: 0, press: 0, smile: 0.8,
});

const pose = (changes) => Object.freeze({ ...REST_POSE, smile: 0.3, ...changes });

// The values are chosen by eye against photographs of each phoneme class: bilabials and labiodentals are exact
// contacts, everything else only has to be told apart at talking speed.
const OCULUS = {
  sil: REST_POSE,
  PP: pose({ width: 0.95, press: 1, smile: 0.2 }),
  FF: pose({ open: 0.15, width: 0.96, tuck: 1, teeth: 1, smile: 0.1 }),
  TH: pose({ open: 0.36, width: 1.04, tongue: 1, teeth: 0.8 }),
  DD: pose({ open: 0.36, width: 1.1, tongue: 0.55, teeth: 0.8 }),
  kk: pose({ open: 0.42, width: 1.06, teeth: 0.6 }),
  CH: pose({ open: 0.36, width: 0.78, round: 0.6, teeth: 1, clench: 0.8 }),
  SS: pose({ open: 0.32, width: 1.16, teeth: 1, clench: 1 }),
  nn: pose({ open: 0.4, width: 1.06, tongue: 0.7, teeth: 0.6 }),
  RR: pose({ open: 0.36, width: 0.82, round: 0.5, teeth: 0.5 }),
  aa: pose({ open: 1, width: 1.06, teeth: 0.6 }),
  E: pose({ open: 0.56, width: 1.22, teeth: 0.8 }),
  I: pose({ open: 0.38, width: 1.32, teeth: 0.9, clench: 0.3, smile: 0.7 }),
  O: pose({ open: 0.74, width: 0.74, round: 0.85, teeth: 0.15, smile: 0 }),
  U: pose({ open: 0.3, width: 0.54, round: 1, smile: 0 }),
};

const like = (name, changes = {}) => Object.freeze({ ...OCULUS[name], ...changes });

const BASIC = {
  REST: REST_POSE, AA: like("aa"), EE: like("I", { open: 0.44, width: 1.24 }), OH: like("O"), OO: like("U"),
  FF: like("FF"), TH: like("TH"),
};

const RHUBARB = {
  A: like("PP"), B: like("SS", { open: 0.24, width: 1.08 }), C: like("E"), D: like("aa"),
  E: like("O", { open: 0.5, width: 0.84, round: 0.55 }), F: like("U"), G: like("FF"),
  H: like("nn", { open: 0.6 }), X: REST_POSE,
};

// Microsoft's 22 numbers. Diphthongs (9 to 11) are one number there, so they get the open half of the glide.
const AZURE_AS_OCULUS = [
  "sil", "aa", "aa", "O", "E", "RR", "I", "U", "O", "aa", "O", "aa",
  "E", "RR", "nn", "SS", "CH", "TH", "FF", "DD", "kk", "PP",
];
const AZURE_OPEN = { 1: 0.7, 3: 0.85, 9: 0.9, 11: 0.85, 12: 0.4 };
const AZURE = Object.fromEntries(AZURE_AS_OCULUS.map((name, id) => [
  String(id), id in AZURE_OPEN ? like(name, { open: AZURE_OPEN[id] }) : like(name),
]));

export const VISEME_SETS = Object.freeze({ oculus: OCULUS, basic: BASIC, rhubarb: RHUBARB, azure: AZURE });

// Contacts that the eye notices at once when they are missed. REST is one of them because `basic` has no
// closure of its own: p, b and m arrive as REST.
const CONTACTS = {
  oculus: ["PP", "FF"], basic: ["REST", "FF"], rhubarb: ["A", "G"], azure: ["21", "18"],
};

export const isContact = (set, viseme) => CONTACTS[set].includes(String(viseme));

export const mixPose = (from, to, share) =>
  Object.fromEntries(FIELDS.map((field) => [field, from[field] + (to[field] - from[field]) * share]));

/** The pose of one cue. The weight scales how far the jaw opens, and, half as much, the shape of the lips. */
export function poseOf(set, viseme, weight = 1) {
  const full = VISEME_SETS[set][String(viseme)] ?? REST_POSE;
  if (isContact(set, viseme)) return full; // half a closure would read as a mumbled vowel
  const shaped = mixPose(REST_POSE, full, 0.5 + 0.5 * weight);
  // A fifth of the opening always stays, so that a weak consonant still parts the lips.
  return { ...shaped, open: full.open * (0.2 + 0.8 * weight), teeth: full.teeth, tongue: full.tongue };
}

/** The set's own spelling of a name ("rest" is REST), or null when the set does not have it. */
export function canonicalName(set, name) {
  const wanted = String(name).toLowerCase();
  return Object.keys(VISEME_SETS[set]).find((own) => own.toLowerCase() === wanted) ?? null;
}

/** The set that knows most of these names; ties go to the set that is listed first. */
export function guessSet(names) {
  const score = (set) => names.filter((name) => canonicalName(set, name) !== null).length;
  return Object.keys(VISEME_SETS).reduce((best, set) => (score(set) > score(best) ? set : best));
}

/** The set that a render's cues are named after. ARKit has none: its blend shapes are not drawn here. */
export const setOf = (render) => (render.viseme_set in VISEME_SETS ? render.viseme_set : "oculus");

/** How unlike two mouths look: the opening and the lip contact count most. */
export function poseDistance(a, b) {
  const importance = { open: 2, round: 1, tuck: 1.5, width: 1, tongue: 0.7, teeth: 0.3, clench: 0.3, press: 0.5 };
  return Object.entries(importance).reduce((sum, [field, factor]) => sum + factor * Math.abs(a[field] - b[field]), 0);
}

/** The articulator that makes a pose what it is; the timeline gives each family one colour. */
export function familyOf(set, viseme) {
  const p = VISEME_SETS[set][String(viseme)] ?? REST_POSE;
  if (p.press || p.tuck) return "lips";
  if (p.tongue) return "tongue";
  if (p.round >= 0.5 && !p.clench) return "round";
  if (p.clench >= 0.5) return "teeth";
  if (p.width >= 1.2) return "spread";
  return p.open ? "open" : "rest";
}
