// Photos on their way to the service: so many, and so many bytes, in a request.

const FORM_BYTES = 64 * 1024;
const PHOTOS = 10;

/**
 * Photos in requests that the service takes, each few enough that progress is seen.
 * @param {File[]} files
 * @param limits see GET /service
 * @returns {File[][]}
 */
export function batches(files, limits) {
  const most = Math.min(limits.photos, PHOTOS);
  const found = [];
  let bytes = Infinity;
  for (const file of files) {
    bytes += file.size;
    if (bytes > limits.request_bytes - FORM_BYTES || found.at(-1).length === most) {
      found.push([]);
      bytes = file.size;
    }
    found.at(-1).push(file);
  }
  return found;
}

/**
 * Which photos can be sent, and the outcomes of those that cannot: too large, or gone since they were chosen.
 * @param {File[]} files
 */
export async function sendable(files, name, limits, words) {
  const good = [];
  const refused = [];
  for (const file of files) {
    const error = file.size > limits.photo_bytes ? words.tooLarge(limits.photo_bytes) : (await isReadable(file)) ? null : words.unreadable;
    if (error) refused.push(refusal(file.name, name, error));
    else good.push(file);
  }
  return { good, refused };
}

/** The outcome of a photo that was refused before the service looked at it. */
export function refusal(photo, name, error) {
  return { photo, name, status: "refused", lookalike: null, lookalike_distance: null, unlike_distance: null, complaint: null, note: null, error };
}

/** A request's body. */
export function form(fields, files) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  for (const file of files) body.append("photos", file, file.name);
  return body;
}

const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);
