// Every text of the page, in English.

const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

const photos = (number) => count(number, "photo", "photos");
const faces = (number) => count(number, "face", "faces");
const people = (number) => count(number, "person", "people");

const moment = (iso) => new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
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

const clock = (iso) => {
  const when = new Date(iso);
  const isToday = when.toDateString() === new Date().toDateString();
  return when.toLocaleString("en-GB", isToday ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
};

/** "8 s", "3 min", "1 h 5 min" */
function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Somebody before a live source. */
const visitor = ({ name, stranger }) => (name === "unknown" && stranger !== null ? `Unknown ${stranger}` : name === "unknown" ? "Unknown" : name);

const day = (iso) => new Date(iso).toLocaleDateString("en-GB", { dateStyle: "medium" });

const DAY = 86_400;
const days = (seconds) => (seconds >= 2 * DAY || seconds === DAY ? count(Math.round(seconds / DAY), "day", "days") : count(Math.round(seconds / 3600), "hour", "hours"));

/** What is wrong with a photo, by a finding of GET /people/check. */
const flaw = ({ finding, distance, complaint }) => (finding === "unlike" ? `unlike the others (${decimal(distance)})` : complaint);

/** How many photos were enrolled, were so already, and were refused. */
const outcomes = (enrolled, already, refused) =>
  [
    enrolled || !(already || refused) ? `${photos(enrolled)} enrolled` : null,
    already ? `${already.toLocaleString("en")} enrolled already` : null,
    refused ? `${refused.toLocaleString("en")} refused` : null,
  ]
    .filter(Boolean)
    .join(", ");

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
  photos,
  rate,
  probability,

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
  },

  identify: {
    title: "Identify",
    heading: "Who is it?",
    choose: "Choose photos",
    useCamera: "Camera",
    welcome: { title: "Show a photo, and see who it is", text: "Drop photos here, paste them, choose them, or use the camera. They go to this service alone, and it keeps none." },
    remembered: (seconds) => `Faces that nobody knows are remembered for ${days(seconds)}.`,
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
    close: "Close",
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

  moment,
  day,

  people: {
    title: "People",
    search: "Find a name",
    check: "Check",
    enrolled: (number) => `${people(number)} enrolled`,
    found: (number) => `${count(number, "name", "names")} found`,
    none: "Nobody is enrolled yet",
    noneWhat: "Enrol somebody with a photo or two, or everybody at once: a folder with a subfolder for each person.",
    enrolFirst: "Enrol people",
    noneFound: (search) => `No name with “${search}” in it`,
    noneFoundWhat: "Any part of a name is found, in capitals or not.",
    clear: "Show everybody",
    toCheck: (number) => `${number} to check`,
    actions: (name) => `What to do with ${name}`,
    rename: "Rename",
    newName: (name) => `New name of ${name}`,
    renamed: (name) => `The name is ${name} now.`,
    mergeInto: "Merge into …",
    remove: "Remove",
    removed: (name) => `${name} is removed.`,
    merge: "One person under two names?",
    mergeField: "Who else are they?",
    mergeWhom: "Choose somebody who is enrolled, from the list under the field.",
    mergeAsks: (name) => `All photos of ${name} will be that person’s.`,
    mergeTells: (from, into, number) =>
      `${number === 1 ? "The photo" : `All ${photos(number)}`} of ${from} will be ${into}’s, and the name ${from} goes.`,
    mergeDo: "Merge",
    mergeWith: (name) => `Merge with ${name}`,
    merged: (from, into) => `${from} is ${into} now.`,
    otherWay: "Keep the other name",
    nobodyYet: "Nobody chosen",
  },

  person: {
    title: "Person",
    photos: "Photos",
    since: (number, iso) => `${photos(number)}, enrolled since ${day(iso)}`,
    score: (score) => `score ${score.toFixed(2)}`,
    add: "Add photos",
    drop: "Or drop or paste them here.",
    dropNow: "Let go to add the photos",
    largest: "Where a photo shows several faces, take the largest",
    adding: (done, all) => `Enrolling ${done} of ${photos(all)} …`,
    removePhoto: (source) => `Remove the photo ${source}`,
    photoRemoved: (source) => `${source} is removed.`,
    seen: "Seen before they had a name",
    seenWhat: "Where this face was among the strangers.",
    nobody: "Nobody here",
    everybody: "Everybody enrolled",
  },

  outcomes: {
    refused: "Refused",
    look: "Look",
    of: (name) => `for ${name}`,
    unlike: (name, distance) =>
      `Does not look like the other photos of ${name} (distance ${decimal(distance)}): check that it shows them.`,
    lookalike: (name, distance) => `Looks like ${name} too (distance ${decimal(distance)}): check that they are two people.`,
    poor: (complaint) => `A poor photo, ${complaint}: enrol a better one too.`,
    summary: outcomes,
    tooLarge: (bytes) => `Larger than ${megabytes(bytes)}: make it smaller.`,
    unreadable: "It can no longer be read: choose it again.",
  },

  check: {
    title: "Check",
    flaw,
    lead: "What a second look is worth: the fewer wrong photos and double names, the fewer wrong answers.",
    looking: "Looking at everybody’s photos …",
    nothing: "Nothing needs a look",
    nothingWhat: "Every photo fits its name, all are good enough, and no two people look alike.",
    alike: "One person under two names?",
    alikeWhat: "The two of a pair are nearer to each other than strangers are.",
    distance: (distance, threshold) => `Distance ${decimal(distance)}; those of ${decimal(threshold)} and less are shown.`,
    same: "Same person: merge",
    two: "They are two",
    kinds: { unlike: "Unlike the others of the name", poor: "Poor photos", lost: "Lost pictures" },
    kindsWhat: {
      unlike: "Somebody else may be in the photo, or the name may be another’s.",
      poor: "A better photo of the person makes the answers better; add it before this one goes.",
      lost: "The picture of the face is gone from the database, or cannot be read: remove it, and enrol the photo again.",
    },
    beside: (name) => `Other photos of ${name}`,
    remove: "Remove the photo",
    more: (number) => `Show more of ${number.toLocaleString("en")}`,
  },
  enrol: {
    title: "Enrol",
    lead: "One good photo of each person is enough to begin with; two or three of different days are better.",
    drop: "Drop photos or a folder here",
    dropWhat: "Photos of one person, or a folder with a subfolder for each. You see what will be enrolled first.",
    photos: "Choose photos",
    folder: "Choose a folder",
    searching: "Looking through the folder …",
    plan: "What will be enrolled",
    found: (number, folders) => (folders.length ? `${photos(number)} in ${folders.join(", ")}` : photos(number)),
    leftOut: (hidden, raw, other) => {
      const left = [
        hidden ? count(hidden, "hidden file", "hidden files") : null,
        raw ? `${count(raw, "raw photo", "raw photos")} (export them as JPEG)` : null,
        other ? count(other, "file that is no photo", "files that are no photos") : null,
      ].filter(Boolean);
      return left.length ? `Left out: ${left.join(", ")}.` : null;
    },
    whose: "Whose photos are they?",
    each: (number) => `Each folder in it is a person, and each photo beside them is one, named by its file: ${people(number)}`,
    one: "All are of one person",
    name: (number) => (number === 1 ? "Who is in it?" : "Who is in them?"),
    nameExample: "Ada Lovelace",
    nameMissing: "Say who is in the photos.",
    enrol: (number) => `Enrol ${photos(number)}`,
    andMore: (number) => `and ${number.toLocaleString("en")} more`,
    nested: (names) =>
      `Left out: ${names.join(", ")}. ${names.length === 1 ? "It holds" : "They hold"} folders with photos and no photo: choose the folder of the people, or of the person.`,
    dropNow: "Let go to see what will be enrolled",
    jobs: "Under way and done",
    seePeople: "See people",
    states: {
      receiving: "Enrolling …",
      left: "Waiting for photos",
      finishing: "Enrolling …",
      done: "Enrolled",
      stopped: "Stopped",
    },
    progress: (done, all) => `${done.toLocaleString("en")} of ${photos(all)}`,
    sending: (sent, all) => `${sent.toLocaleString("en")} of ${photos(all)} sent: leave this page open until all are.`,
    leftWhat: "The page that sent them may be closed: choose the folder again to go on, enrolled photos are skipped.",
    finishedAt: (iso) => moment(iso),
    tells: ({ enrolled, already, refused }) => `${outcomes(enrolled, already, refused)}.`,
    finish: "No more photos",
    refused: (number) => `${photos(number)} refused`,
    doubtful: (number) => `${count(number, "photo needs", "photos need")} a look`,
    firstOnly: (number) => `(the first ${number} are shown)`,
  },
  strangers: {
    title: "Strangers",
    lead: (seconds) =>
      `Faces that nobody knew, and that are taken for one person’s. Each is forgotten ${days(seconds)} after it was seen.`,
    none: "No strangers",
    noneWhat: "A face that nobody knows is remembered here when a photo is identified.",
    forgetAll: "Forget all",
    forgetAllAsk: "Forget all strangers?",
    forgetAllWhat: (number) =>
      `${count(number, "group", "groups")} of faces, and where people who have a name by now were seen before. This cannot be undone.`,
    allForgotten: "All strangers are forgotten.",
    seen: (number) => (number === 1 ? "Seen once" : `Seen ${number.toLocaleString("en")} times`),
    between: (first, last) => (moment(first) === moment(last) ? moment(first) : `${moment(first)} to ${moment(last)}`),
    where: (number) => (number === 1 ? "Where" : `Where, the ${number} best`),
    name: "Who is this?",
    nameExample: "Name",
    enrol: "Enrol",
    forget: "Forget",
    forgotten: "The stranger is forgotten.",
    is: (name) => `This is ${name}`,
    see: (name) => `See ${name}`,
    summary: (outcomes) => `${outcomes}.`,
    seenBefore: (number) => (number === 1 ? "Seen once before" : `Seen ${number.toLocaleString("en")} times before`),
    more: "Show more",
    face: (source) => `Face in ${source}`,
  },
  live: {
    title: "Live", sources: "Sources",
    none: "Nothing is watched yet",
    noneWhat: "Add a camera or a stream: you see what it shows, who is there, and who came and went.",
    noneReadOnly: "This service was started without a camera or a stream.",
    gone: "That source is not watched any more.",
    add: "Add a source",
    address: "Camera or address",
    example: "rtsp://name:password@camera/stream",
    addressWhat:
      "The number of a camera of the service’s machine, such as 0, or an address that it can reach, of rtsp or http. Name and password in it are never shown again; the service forgets it when it ends.",
    watch: "Watch",
    remove: "Watch it no more",
    removeAsk: (name) => `Watch ${name} no more?`,
    removeWhat: "Who came and went before it is forgotten.",
    picture: "Live picture",
    noPicture: "There is no picture yet.",
    pause: "Pause", resume: "Go on",
    states: { opening: "Opening …", running: "Live", lost: "Lost", ended: "Ended", failed: "No picture" },
    there: (present) => (present.length ? `Now there: ${present.map(visitor).join(", ")}` : "Nobody is there now."),
    alt: ({ name, present }) => `${name}: ${present.map(visitor).join(", ") || "nobody"}`,
    numbers: ({ width, height, rate: looks, skipped, interruptions }) =>
      [
        width && `${width} × ${height}`,
        `${looks.toLocaleString("en")} pictures looked at a second`,
        skipped && `${skipped.toLocaleString("en")} skipped`,
        interruptions && `lost ${interruptions === 1 ? "once" : `${interruptions.toLocaleString("en")} times`}`,
      ].filter(Boolean).join(", "),
    visits: "Who came and went",
    nobodyYet: "Nobody so far.",
    nameOf: visitor,
    clock,
    stayed: (seconds) => `for ${duration(seconds)}`,
    stillThere: "still there",
    came: (name) => `${name} is there.`,
    name: "Name them",
    nameWhom: (name) => `Name them: ${name}, among the strangers`,
  },
};
