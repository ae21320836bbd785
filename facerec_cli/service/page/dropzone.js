// Files dropped on a part of the page, which shows that it takes them.

/** Call `take(dataTransfer)` where files are dropped on an element. */
export function takeDrops(element, take) {
  const hasFiles = (event) => event.dataTransfer.types.includes("Files");

  element.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    element.classList.add("over");
  });
  element.addEventListener("dragleave", (event) => {
    if (!element.contains(event.relatedTarget)) element.classList.remove("over");
  });
  element.addEventListener("drop", (event) => {
    element.classList.remove("over");
    if (!hasFiles(event)) return;
    event.preventDefault();
    take(event.dataTransfer);
  });
}
