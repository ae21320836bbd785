// Every text of the page, in English.

const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

const photos = (number) => count(number, "photo", "photos");
const faces = (number) => count(number, "face", "faces");
const people = (number) => count(number, "person", "people");

const rate = (share) => percent(share, { maximumSignificantDigits: 2, minimumSignificantDigits: 1 });
const decimal = (number) => number.toFixed(3);
const megabytes = (bytes) => `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;

function percent(share, digits) {
  return `${(share * 100).toLocaleString("en", digits)} %`;
}

function probability(share) {
  if (share > 0.999) return "> 99.9 %";
  if (share < 0.001) return "< 0.1 %";
  return percent(share, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

/** "Ada, Grace, 2 unknown" */
function whoIs(decisions) {
  const names = [...new Set(decisions.filter(({ isKnown }) => isKnown).map(({ name }) => name))];
  const unknown = decisions.filter(({ isKnown }) => !isKnown).length;
  return [...names, unknown && `${unknown} unknown`].filter(Boolean).join(", ") || "no face";
}

function summary(decisions) {
  return decisions.length ? `${faces(decisions.length)}: ${whoIs(decisions)}` : "no face";
}

export default {
  skip: "Skip to the content",
  page: (title) => `${title} · facerec`,
  navigation: "Views",
  notices: "Notices",
  close: "Close",
  cancel: "Cancel",
  undo: "Undo",
  stop: "Stop",
  retry: "Try again",
  loading: "Loading …",
  photos,
  faces,
  people,
  rate,
  probability,
  decimal,

  gone: "The service does not answer. This page goes on by itself once it does.",
  unanswered: "The service did not answer, so it is not sure that this was done: try again once it is back.",
  back: "The service is back.",
  busy: "The service is busy. This goes on in a moment …",
  missing: {
    title: "This view could not be loaded",
    text: "Either the service stopped, or it is of another version than this page.",
  },
  readOnly: "This service only identifies: enrolling and changing people is switched off.",

  names: { suggestions: "People enrolled" },

  token: {
    title: "This service asks for its token",
    text: "Whoever started it has the token. It is kept in this tab, and forgotten when the tab closes.",
    label: "Token",
    wrong: "That is not the token of this service.",
    confirm: "Go on",
    refused: "Without its token, the service tells nothing.",
    empty: "Enter the token.",
  },

  identify: {
    title: "Identify",
    heading: "Who is it?",
    choose: "Choose photos",
    useCamera: "Camera",
    welcome: { title: "Drop photos here", text: "Or paste them, choose them, or use the camera. They are looked at by this service alone, and not kept." },
    nobody: { title: "Nobody is enrolled yet", text: "facerec knows the people whom you show it. One photo of each is enough." },
    steps: ["Drop a photo here, paste or choose one.", "Point at a face, and give it its name.", "From then on that face has its name in every photo."],
    dropNow: "Let go to see who it is",
    photo: "Photo",
    facesOfPhoto: "Faces",
    unknown: "unknown",
    looking: "Looking …",
    notShown: "This browser cannot show this photo; its faces are where they are in it.",
    noFace: "No face was found in this photo.",
    noted: (note) => `${note[0].toUpperCase()}${note.slice(1)}.`,
    putAway: "Put this photo away",
    tooLarge: (size, most) => `This photo has ${megabytes(size)}, and the service takes ${megabytes(most)}: send a smaller one.`,
    unreadable: "This file cannot be read: it went away, or it is a folder.",
    progress: (done, total) => `${done} of ${photos(total)}`,
    face: (number, total, { name, distance, candidates }) => {
      const who = name ?? "unknown";
      const how = distance === null ? "" : name ? `, distance ${decimal(distance)}` : `, nearest ${candidates[0].name} at ${decimal(distance)}`;
      return `Face ${number} of ${total}: ${who}${how}`;
    },
    alt: (photo, decisions) => `${photo}: ${summary(decisions)}`,
    summary,
  },

  threshold: {
    title: "Threshold",
    label: "Strangers named",
    fewer: "stricter",
    more: "names more",
    value: ({ fpir, threshold }) => `${rate(fpir)}, distance ${decimal(threshold)}`,
  },

  card: {
    title: "Face",
    unknown: "Unknown",
    known: "Known",
    nobody: "Nobody near enough",
    probability: "Probability",
    probabilityNearest: "Probability of the nearest",
    distance: "Distance",
    distanceOf: (distance, rule) => (rule ? `${decimal(distance)} ${distance <= rule.threshold ? "≤" : ">"} ${decimal(rule.threshold)}` : decimal(distance)),
    quality: "Quality",
    qualityOf: (quality, word) => `${word} (${quality.toFixed(2)})`,
    nearest: "Nearest people",
    candidate: ({ distance, probability: chance }) => (chance === null ? decimal(distance) : `${probability(chance)} · ${decimal(distance)}`),
    add: "Add this photo",
    somebodyElse: "Somebody else",
  },

  naming: {
    label: "Who is this?",
    placeholder: "Name",
    confirm: "Enrol",
    show: "Show",
    done: ({ name }, outcomes, sightings) => {
      const { status, lookalike, complaint } = outcomes[0] ?? {};
      const seen = sightings.length > 1 ? `, seen ${sightings.length} times before` : "";
      const first = status === "already enrolled" ? `${name} has this photo already.` : `${name} is enrolled${seen}.`;
      return [first, lookalike && `Looks like ${lookalike}: is it the same person?`, complaint && `This photo is not a good one: ${complaint}.`].filter(Boolean).join(" ");
    },
    seen: ({ name }, count) => `${name} is in ${photos(count)} here.`,
  },

  strip: {
    title: "Photos",
    filter: "Show photos of",
    all: "All",
    clear: "Put all away",
    kind: (kind) => ({ "?": "Unknown", 0: "No face", "!": "Not readable" })[kind] ?? kind.slice(1),
    who: ({ result, error, isPending }, decisions) => (error ? "Not readable" : result ? whoIs(decisions) : isPending ? "Looking …" : ""),
    photo: (name, who) => `${name}: ${who}`,
  },

  camera: {
    title: "Camera",
    picture: "What the camera sees",
    keep: "Keep this picture",
    close: "Close the camera",
    hint: "Choose a face to name it.",
    starting: "Starting the camera: your browser may ask whether this page may use it.",
    faults: {
      NotAllowedError: "This page may not use the camera: allow it in the browser's settings for this page.",
      NotFoundError: "There is no camera.",
      NotReadableError: "The camera is in use by another program.",
      SecurityError: "A browser gives the camera only to pages of this machine, or over HTTPS.",
      other: "The camera does not work.",
    },
  },

  people: { title: "People" },
  person: { title: "Person" },
  check: { title: "Check" },
  enrol: { title: "Enrol" },
  strangers: { title: "Strangers" },
};
