// Whether anybody looks at this tab.

/** Resolves once the tab is seen; one that nobody looks at asks for nothing. */
export async function untilSeen(signal) {
  while (document.hidden) {
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true, signal }));
  }
}
