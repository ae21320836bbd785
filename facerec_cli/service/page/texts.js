// The page's texts in the reader's language; another language is one more file of texts/ and its tag here.

const LANGUAGES = ["en"];

const wanted = navigator.languages.map((tag) => tag.split("-")[0]);
export const language = wanted.find((tag) => LANGUAGES.includes(tag)) ?? LANGUAGES[0];

export const texts = (await import(`./texts/${language}.js`)).default;
