// Every text of the page, in English.

const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

const photos = (number) => count(number, "photo", "photos");
const faces = (number) => count(number, "face", "faces");
const people = (number) => count(number, "person", "people");

export default {
  skip: "Skip to the content",
  page: (title) => `${title} · facerec`,
  navigation: "Views",
  notices: "Notices",
  close: "Close",
  cancel: "Cancel",
  undo: "Undo",
  retry: "Try again",
  loading: "Loading …",
  photos,
  faces,
  people,

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
  },

  people: { title: "People" },
  person: { title: "Person" },
  check: { title: "Check" },
  enrol: { title: "Enrol" },
  strangers: { title: "Strangers" },
};
