// What people drop or choose, as people to enrol: the same walk through a folder as the command line's (datasets/folder.py).

const PHOTO = new Set(
  "jpg jpeg jpe jfif jif mpo png webp bmp dib tif tiff heic heif hif avif gif jp2 j2k jpf jpx jxl".split(" "),
);

const RAW = new Set(
  "3fr arw cr2 cr3 crw dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f".split(" "),
);

const JUNK = new Set([
  ...["@eadir", "@tmp", "@recycle", "@recently-snapshot", "@sharebin", "#recycle", "#snapshot", "~snapshot"],
  ...["$recycle.bin", "recycler", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"],
  ...["__macosx", "icon\r", "network trash folder", "temporary items"],
]);

const isAdded = (name) => name.startsWith(".") || JUNK.has(name.toLowerCase());

function ending(name) {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}

/** A file's name without the ending that says photo. */
const stem = (name) => (PHOTO.has(ending(name)) ? name.slice(0, name.lastIndexOf(".")) : name);

/**
 * The files of a drop, folders searched at any depth; call it in the drop's own handler, before anything is awaited.
 * @returns {Promise<Array<{path: string[], file: File}>>} path: from the folder that was dropped to the file's name
 */
export function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  return Promise.all(entries.map((entry) => walk(entry, []))).then((found) => found.flat());
}

/** As dropped, of an input's files. */
export function chosen(files) {
  return [...files].map((file) => ({ path: (file.webkitRelativePath || file.name).split("/"), file }));
}

async function walk(entry, parents) {
  const path = [...parents, entry.name];
  if (entry.isFile) {
    return [{ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) }];
  }
  if (parents.length && isAdded(entry.name)) return [];
  const reader = entry.createReader();
  const inside = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    inside.push(...some);
  }
  const found = [];
  for (const one of inside.sort(byName)) found.push(...(await walk(one, path)));
  return found;
}

/**
 * Sort what was found: a sub-folder is a person, and so is a photo beside them, named by its file.
 * @param {Array<{path: string[], file: File}>} found
 * @returns {{people: Array<{name: string, files: File[]}>, files: File[], folders: string[], nested: string[],
 *   leftOut: {hidden: number, raw: number, other: number}}} files: all photos; folders: the names of those they are
 *   from; nested: sub-folders whose photos lie in folders of their own alone: one person or many, nobody can tell
 */
export function sorted(found) {
  const leftOut = { hidden: 0, raw: 0, other: 0 };
  const files = [];
  const people = new Map();
  const folders = new Set();
  const open = new Set();
  for (const { path, file } of found) {
    const below = path.length > 1 ? path.slice(1) : path;
    const reason = below.some(isAdded) ? "hidden" : PHOTO.has(ending(file.name)) ? null : reasonOf(file);
    if (reason) {
      leftOut[reason] += 1;
      continue;
    }
    files.push(file);
    if (path.length > 1) folders.add(path[0]);
    const name = below.length > 1 ? below[0] : stem(below[0]);
    if (below.length <= 2) open.add(name);
    if (!people.has(name)) people.set(name, []);
    people.get(name).push(file);
  }
  const nested = [...people.keys()].filter((name) => !open.has(name));
  return {
    people: [...people].filter(([name]) => open.has(name)).map(([name, theirs]) => ({ name, files: theirs })).sort(byName),
    files,
    folders: [...folders],
    nested,
    leftOut,
  };
}

const byName = (one, other) => one.name.localeCompare(other.name);

const reasonOf = (file) => (RAW.has(ending(file.name)) ? "raw" : "other");
