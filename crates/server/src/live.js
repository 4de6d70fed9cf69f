// Shows a page anew when something has happened, unless its reader is in the midst of it.

const PAUSE_MS = 1000;
// Beside this script, wherever its world has its addresses.
const FEED = new URL("api/v1/events", import.meta.url);

const page = () => document.getElementById("page");

/** Whether a page that changes now would take something from under its reader. */
function isBusy() {
  const within = document.activeElement;
  const fields = Array.from(document.querySelectorAll("#page :is(input, textarea)"));
  const writes = (within !== null && within.matches("input, select, textarea"))
    || fields.some((field) => field.value !== field.defaultValue);
  return document.hidden || writes || !getSelection().isCollapsed || window.scrollY > 300;
}

/** The places of what is open, so that it stays open. */
function opened(parts) {
  return Array.from(parts, (part) => part.open);
}

async function show() {
  const answer = await fetch(location.href, { headers: { accept: "*/*" } });
  if (!answer.ok || isBusy()) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [ours, theirs] = [page(), next.getElementById("page")];
  if (theirs === null || ours.dataset.seq === theirs.dataset.seq) return;
  const open = opened(ours.querySelectorAll("details"));
  theirs.querySelectorAll("details").forEach((part, at) => { part.open = open[at] ?? part.open; });
  const top = (root) => root.querySelector("header.top");
  top(document).replaceWith(top(next));
  ours.replaceWith(theirs);
}

/** Waits for the next thing that happens, shows the page, and waits again. */
function listen() {
  const feed = new EventSource(FEED);
  const go = async () => {
    feed.close();
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    while (isBusy()) await new Promise((done) => setTimeout(done, PAUSE_MS));
    await show().catch(() => undefined);
    listen();
  };
  feed.addEventListener("message", go, { once: true });
}

listen();
